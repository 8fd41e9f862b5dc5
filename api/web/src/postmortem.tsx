// The post-mortem of an incident, as `hwctl incidents postmortem` writes it.
import { get } from "./api";
import { CascadePicture, Legend } from "./cascade";
import { Markdown } from "./markdown";
import { Copy, Icon, Trouble, Waiting, useTitle } from "./parts";
import { runsDown, useWidth } from "./picture";
import { to } from "./route";
import { useLoaded } from "./store";
import type { GetCascadeResponse, GetPostmortemResponse } from "./wire";

export function PostmortemView({ id }: { id: string }) {
  const path = `incidents/${encodeURIComponent(id)}`;
  const document = useLoaded((signal) => get<GetPostmortemResponse>(`${path}/postmortem`, {}, signal), [id]);
  useTitle(`Post-mortem of ${id}`);
  const text = document.data?.markdown ?? "";
  return (
    <main id="main" class="postmortem">
      <header class="view-head">
        <h1>{/^# (.*)$/m.exec(text)?.[1]?.replaceAll("\\", "") ?? `Post-mortem of ${id}`}</h1>
      </header>
      <p class="where">
        <a {...to(`incidents/${id}`)}>
          <Icon name="list" /> {id}
        </a>
        <a href={`api/v1/${path}/postmortem.md`} download={`postmortem-${id}.md`}>
          <Icon name="doc" /> Download
        </a>
        <button type="button" onClick={() => print()}>
          Print
        </button>
        {text && (
          <span>
            <Copy text={text} what="the document as Markdown" />
          </span>
        )}
      </p>
      {document.error && <Trouble what="The post-mortem cannot be written" error={document.error} again={document.again} />}
      {!document.data && document.busy && <Waiting what="the post-mortem" />}
      {document.data && (
        <article class="card document">
          <Markdown text={text} picture={<Drawn id={id} />} />
        </article>
      )}
    </main>
  );
}

function Drawn({ id }: { id: string }) {
  const { ref, width } = useWidth();
  const ask = (direction: string) => (signal: AbortSignal) => get<GetCascadeResponse>(`incidents/${encodeURIComponent(id)}/cascade`, { direction }, signal);
  const wide = useLoaded(ask("CASCADE_DIRECTION_RIGHT"), [id]);
  const tall = useLoaded(ask("CASCADE_DIRECTION_DOWN"), [id]);
  const down = width > 0 && runsDown(wide.data?.cascade?.width ?? 0, width);
  const cascade = (down ? tall : wide).data?.cascade;
  return (
    <div ref={ref}>
      {cascade && <CascadePicture of={cascade} down={down} room={width} service="" pick={() => undefined} />}
      {cascade && <Legend of={cascade} />}
    </div>
  );
}

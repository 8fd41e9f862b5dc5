// The gallery: every part in every state, with canned data and without a server.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Conflict } from "./actions";
import { AlertsSection } from "./alerts";
import * as canned from "./canned";
import { alerts, cascade, findings, incident, states } from "./canned";
import { CascadePicture, Legend } from "./cascade";
import { Evidence } from "./evidence";
import { IncidentHead } from "./incident";
import { Rows } from "./list";
import { Markdown } from "./markdown";
import { AlertSeverity, Code, Empty, Probability, Sev, Trouble, Waiting, useTitle } from "./parts";
import { useWidth } from "./picture";
import { Changes, Gaps, Hit, Pages, Record } from "./record";
import { Replay, momentAt } from "./replay";
import { Facts, Findings } from "./setup";
import { BannerOf } from "./shell";
import { now } from "./store";
import { Timeline } from "./timeline";
import { percent } from "./words";

export function GalleryView() {
  useTitle("Gallery");
  const i = incident();
  return (
    <main id="main" class="gallery">
      <header class="view-head">
        <h1>Gallery</h1>
        <p class="summary">every part in every state, with canned data</p>
      </header>
      <Exhibit name="Connection">
        <BannerOf link={{ state: "stale", since: now() - 48_000 }} />
        <BannerOf link={{ state: "broken", since: now() - 130_000, why: "The server does not answer.", retryAt: now() + 9_000 }} />
        <BannerOf link={{ state: "starting", why: "opening the storage", retryAt: now() + 2_000 }} />
      </Exhibit>
      <Exhibit name="Signs">
        <p class="signs">
          {(["INCIDENT_SEVERITY_SEV1", "INCIDENT_SEVERITY_SEV2", "INCIDENT_SEVERITY_SEV3", "INCIDENT_SEVERITY_SEV4", "INCIDENT_SEVERITY_UNSPECIFIED"] as const).map((s) => (
            <Sev key={s} of={s} />
          ))}
          <Sev of="INCIDENT_SEVERITY_SEV1" over />
          {(["SEVERITY_CRITICAL", "SEVERITY_ERROR", "SEVERITY_WARNING", "SEVERITY_INFO", "SEVERITY_NONE"] as const).map((s) => (
            <AlertSeverity key={s} of={s} />
          ))}
        </p>
        <p class="signs">
          {[0.001, 0.31, 0.87, 0.999].map((p) => (
            <span key={p} title={percent(p)}>
              <Probability of={p} quiet={p < 0.5} />
            </span>
          ))}
        </p>
        <p class="signs">
          <button type="button" class="primary">
            Acknowledge
          </button>
          <button type="button" class="primary danger">
            Resolve
          </button>
          <button type="button">Note</button>
          <button type="button" disabled>
            Waiting for the answer…
          </button>
          <button type="button" class="chip" aria-pressed="true">
            pressed
          </button>
        </p>
      </Exhibit>
      <Exhibit name="Rows">
        <Rows of={states.map((s) => s.of)} label="Incidents in every state" />
      </Exhibit>
      <Exhibit name="Lists without rows">
        <Waiting what="incidents" rows={2} />
        <Empty title="No incident is open">
          <p>Alerts are listened to.</p>
        </Empty>
        <Trouble what="The history cannot be shown" error={new Error("filter: there is no field headlin; the fields are …")} again={() => undefined} />
      </Exhibit>
      {states.map((s) => (
        <Exhibit key={s.name} name={`Head: ${s.name}`}>
          <IncidentHead of={s.of} heading="h3" />
        </Exhibit>
      ))}
      <Exhibit name="Cascade, as it is and as it was">
        <CascadeExhibit />
      </Exhibit>
      <Exhibit name="Sections">
        <div class="columns">
          <div class="main-column">
            <Evidence of={i} />
            <Timeline of={i} />
            <AlertsSection alerts={alerts} more incident={i} service="" pickService={() => undefined} />
          </div>
          <aside aria-label="Beside it">
            <Hit of={i} picked="shop/ratings" pick={() => undefined} />
            <Changes of={i} />
            <Record of={states[4]!.of} />
            <Pages of={i} />
            <Gaps of={i} />
          </aside>
        </div>
      </Exhibit>
      <Exhibit name="A command that came too late">
        <Conflict error={Object.assign(new Error("INC-41 has changed"), { status: 409, details: {}, conflict: true })} was={i} is={states[4]!.of} again={() => undefined} />
      </Exhibit>
      <Exhibit name="A document">
        <article class="card document">
          <Markdown text={canned.markdown} picture={<p class="faint">(the cascade)</p>} />
        </article>
      </Exhibit>
      <Exhibit name="Set-up">
        <Facts
          of={[
            { name: "Alerts", value: "41.2/s", note: "128,311 since the start" },
            { name: "Engine lag", value: "14 s", note: "310 entries", bad: true },
            { name: "Stream", value: "1.2 GiB", note: "position 88,210" },
          ]}
        />
        <Findings of={findings} />
        <Code text={"hwctl incidents ack INC-41"} what="command" />
      </Exhibit>
    </main>
  );
}

function Exhibit({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <section class="exhibit" aria-label={name}>
      <h2>{name}</h2>
      {children}
    </section>
  );
}

function CascadeExhibit() {
  const { ref, width } = useWidth();
  const i = incident();
  const [at, setAt] = useState<number | undefined>(Date.parse(i.started_at!) + 120_000);
  const moment = at === undefined ? undefined : momentAt(i, alerts, at);
  return (
    <div ref={ref} class="card">
      <CascadePicture of={cascade} down={false} room={width} service="" pick={() => undefined} />
      <CascadePicture of={cascade} down={false} room={width} {...(moment ? { moment } : {})} service="" pick={() => undefined} />
      <Replay of={i} alerts={alerts} at={at} {...(moment ? { moment } : {})} onAt={setAt} />
      <Legend of={cascade} />
    </div>
  );
}

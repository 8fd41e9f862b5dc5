// One incident: what broke, where it began, how it spread, what to do next.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { CommandDialog, type Command } from "./actions";
import { AlertsSection } from "./alerts";
import { get } from "./api";
import { CascadeSection } from "./cascade";
import { offered } from "./commands";
import { Evidence } from "./evidence";
import { incidents } from "./live";
import { Ago, At, Icon, Outside, Sev, Standing, Trouble, Waiting, useTitle } from "./parts";
import { ActionItems, Changes, Gaps, Hit, Pages, Record, SeenBefore } from "./record";
import { to } from "./route";
import { useViewKeys } from "./shell";
import { useCell, useLoaded } from "./store";
import { Timeline } from "./timeline";
import type { Alert, GetIncidentResponse, Incident, ListAlertsResponse } from "./wire";
import { best, clock, endedAt, headline, holder, isOpen, nobodyHas, when } from "./words";

// everyMS is how often a busy incident is asked for again, at most.
const everyMS = 1500;

export function IncidentView({ id }: { id: string }) {
  const live = useCell(incidents).byId.get(id);
  const tick = useRevisionTick(live);
  const full = useLoaded((signal) => get<GetIncidentResponse>(`incidents/${encodeURIComponent(id)}`, {}, signal), [id, tick]);
  const alerts = useLoaded((signal) => allAlerts(id, signal), [id, tick]);
  // The watch is first to know; timeline and pages come with the whole.
  const incident = useMemo(() => newest(live, full.data?.incident), [live, full.data]);
  useTitle(incident ? `${incident.id} ${headline(incident).what}` : id);
  if (!incident) {
    return (
      <main id="main">
        {full.error ? <Trouble what={`${id} cannot be shown`} error={full.error} again={full.again} /> : <Waiting what={id} rows={8} />}
      </main>
    );
  }
  return <IncidentPage of={incident} alerts={alerts.data?.alerts ?? []} moreAlerts={alerts.data?.more ?? false} tick={tick} {...(full.error ? { trouble: full.error } : {})} />;
}

// useRevisionTick changes with the incident's revision, and not more often than need be.
function useRevisionTick(i: Incident | undefined): number {
  const revision = Number(i?.revision ?? 0);
  const [shown, show] = useState(revision);
  const last = useRef(0);
  useEffect(() => {
    if (revision === shown) return undefined;
    const tell = () => {
      last.current = Date.now();
      show(revision);
    };
    const timer = setTimeout(tell, Math.max(0, last.current + everyMS - Date.now()));
    return () => clearTimeout(timer);
  }, [revision, shown]);
  return shown;
}

// newest is the newer of both, with the timeline and pages that only the whole has.
function newest(live: Incident | undefined, full: Incident | undefined): Incident | undefined {
  if (!live || !full) return full ?? live;
  if (Number(full.revision) >= Number(live.revision)) return full;
  return { ...live, timeline: full.timeline, pages: full.pages };
}

// shownAlerts bounds what is asked for; hwctl alerts list has all.
const shownAlerts = 1000;

async function allAlerts(id: string, signal: AbortSignal): Promise<{ alerts: Alert[]; more: boolean }> {
  const r = await get<ListAlertsResponse>("alerts", { filter: `incident = ${JSON.stringify(id)}`, page_size: shownAlerts }, signal);
  return { alerts: r.alerts, more: r.next_page_token !== "" };
}

export function IncidentPage({ of: i, alerts, moreAlerts, tick, trouble }: { of: Incident; alerts: Alert[]; moreAlerts: boolean; tick: number; trouble?: Error }) {
  const [service, pickService] = useState("");
  const [command, setCommand] = useState<{ command: Command; seen: Incident }>();
  const begin = (c: Command) => setCommand({ command: c, seen: i });
  useViewKeys({
    a: { does: "acknowledge", run: () => offered(i).includes(acknowledgeOf(i)!) && begin(acknowledgeOf(i)!) },
    n: { does: "write a note", run: () => offeredNamed(i, "Note") && begin(offeredNamed(i, "Note")!) },
    o: { does: "set the origin", run: () => offeredNamed(i, "Set origin") && begin(offeredNamed(i, "Set origin")!) },
  });
  return (
    <main id="main" class={`incident${isOpen(i) ? "" : " over"}`}>
      <IncidentHead of={i} />
      <Actions of={i} begin={begin} />
      {trouble && <Trouble what="What you see is not the latest" error={trouble} />}
      <div class="columns">
        <div class="main-column">
          <Evidence of={i} />
          <CascadeSection of={i} alerts={alerts} tick={tick} service={service} pick={pickService} />
          <Timeline of={i} />
          <AlertsSection alerts={alerts} more={moreAlerts} incident={i} service={service} pickService={pickService} />
        </div>
        <aside aria-label="Record">
          <Hit of={i} picked={service} pick={pickService} />
          <Changes of={i} />
          <SeenBefore of={i} />
          <Record of={i} />
          <ActionItems of={i} />
          <Pages of={i} />
          <Gaps of={i} />
        </aside>
      </div>
      {command && <CommandDialog command={command.command} incident={command.seen} latest={i} close={() => setCommand(undefined)} />}
    </main>
  );
}

const offeredNamed = (i: Incident, name: string) => offered(i).find((c) => c.name === name);
const acknowledgeOf = (i: Incident) => offeredNamed(i, "Acknowledge");

// IncidentHead is what one reads first.
export function IncidentHead({ of: i, heading: Heading = "h1" }: { of: Incident; heading?: "h1" | "h3" }) {
  const { what, rest } = headline(i);
  const origin = best(i);
  const end = endedAt(i);
  return (
    <header class="incident-head">
      <p class="crumbs">
        <Sev of={i.incident_severity} over={!isOpen(i)} />
        <span class="id">{i.id}</span>
        <Standing of={i} />
        <Holder of={i} />
      </p>
      <Heading class="headline">{what}</Heading>
      {rest.length > 0 && <p class="rest">{rest.join(" · ")}</p>}
      <p class="circumstances">
        <span>
          {end ? (
            <>
              {when(i.started_at)} to <At at={end} /> (<Ago at={i.started_at} until={end} />)
            </>
          ) : (
            <>
              since {clock(i.started_at)} UTC (<Ago at={i.started_at} />)
            </>
          )}
        </span>
        {i.environment && <span>{i.environment}</span>}
        {origin?.owner && <span>owner: {origin.owner}</span>}
        {isOpen(i) && i.quiet_since && (
          <span>
            quiet for <Ago at={i.quiet_since} />
            {i.close_at && `, over at ${clock(i.close_at)} if it stays so`}
          </span>
        )}
        {i.split_from && (
          <span>
            split from <a {...to(`incidents/${i.split_from}`)}>{i.split_from}</a>
          </span>
        )}
        {i.merged.length > 0 && <span>includes {i.merged.join(", ")}</span>}
        {i.apart.length > 0 && <span>kept apart from {i.apart.map((p) => p.incident).join(", ")}</span>}
      </p>
      <WhereToGo of={i} />
      {i.state === "INCIDENT_STATE_MERGED" && (
        <p class="banner">
          <Icon name="join" /> It goes on as <a {...to(`incidents/${i.merged_into}`)}>{i.merged_into}</a>.
        </p>
      )}
    </header>
  );
}

function Holder({ of: i }: { of: Incident }) {
  const who = holder(i);
  if (!who && !nobodyHas(i)) return null;
  return (
    <span class={who ? "who" : "who nobody"}>
      <Icon name="person" />
      {who ? `${who} ${isOpen(i) ? "has" : "had"} it` : "nobody has it"}
    </span>
  );
}

// WhereToGo is runbooks and links: the first thing to do is near the top.
function WhereToGo({ of: i }: { of: Incident }) {
  if (i.runbooks.length + i.links.length === 0 && isOpen(i)) return null;
  return (
    <p class="where" aria-label="Do">
      {i.runbooks.map((r) => (
        <Outside key={r} href={r}>
          <Icon name="doc" /> Runbook <span class="faint">{r.replace(/^https?:\/\//, "")}</span>
        </Outside>
      ))}
      {i.links.map((l) => (
        <Outside key={l.title} href={l.url}>
          <Icon name="link" /> {l.title}
        </Outside>
      ))}
      {!isOpen(i) && (
        <a {...to(`incidents/${i.id}/post-mortem`)}>
          <Icon name="note" /> Post-mortem
        </a>
      )}
    </p>
  );
}

function Actions({ of: i, begin }: { of: Incident; begin: (c: Command) => void }) {
  const all = offered(i);
  const [first, ...others] = all;
  if (!first) return null;
  const near = others.slice(0, 3);
  const far = others.slice(3);
  return (
    <div class="actions" role="group" aria-label="Commands">
      <button type="button" class="primary" onClick={() => begin(first)}>
        {first.name}
      </button>
      {near.map((c) => (
        <button type="button" key={c.name} onClick={() => begin(c)}>
          {c.name}
        </button>
      ))}
      <details class="more">
        <summary>More</summary>
        <ul>
          {far.map((c) => (
            <li key={c.name}>
              <button
                type="button"
                class={c.danger ? "danger" : ""}
                onClick={(e) => {
                  e.currentTarget.closest("details")!.open = false;
                  begin(c);
                }}
              >
                {c.name}
              </button>
            </li>
          ))}
          <li>
            <a {...to(`incidents/${i.id}/post-mortem`)}>Post-mortem</a>
          </li>
          <li>
            <button type="button" onClick={() => print()}>
              Print
            </button>
          </li>
        </ul>
      </details>
    </div>
  );
}

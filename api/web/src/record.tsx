// The record of an incident: whom it hit, what changed before, who does what, who was told.
import { get } from "./api";
import { AlertSeverity, At, Icon, Outside } from "./parts";
import { to } from "./route";
import { useLoaded } from "./store";
import type { ActionItem, Delivery, Incident, ListActionItemsResponse } from "./wire";
import { actionPriorityWord, actionStatusWord, bareName, clock, isOpen, kindWord, millis, pageWord, plural, refName, seconds, sevWord, span, when } from "./words";

export function Hit({ of: i, picked, pick }: { of: Incident; picked: string; pick: (s: string) => void }) {
  const hit = i.services.filter((s) => s.alerts > 0);
  return (
    <section class="card hit" aria-labelledby="hit">
      <h2 id="hit">
        Hit <span class="faint">{plural(hit.length, "service")}</span>
      </h2>
      <ul>
        {hit.map((s) => {
          const name = refName(s.service);
          return (
            <li key={name}>
              <button type="button" class="plain" aria-pressed={picked === name} onClick={() => pick(picked === name ? "" : name)}>
                <AlertSeverity of={s.severity} wordless />
                <span class="name">{bareName(s.service)}</span>
                <span class="faint">{s.owner || kindWord(s.kind)}</span>
                <span class="n">{s.firing === s.alerts ? s.alerts : `${s.firing}/${s.alerts}`}</span>
                <At at={s.since} />
              </button>
            </li>
          );
        })}
      </ul>
      {i.next_hit.length > 0 && (
        <p class="next">
          <b>Next to be hit</b> {i.next_hit.slice(0, 8).map(bareName).join(", ")}
          {i.next_hit.length > 8 && ` and ${i.next_hit.length - 8} more`}
        </p>
      )}
    </section>
  );
}

export function Changes({ of: i }: { of: Incident }) {
  if (i.changes.length === 0) return null;
  return (
    <section class="card changes" aria-labelledby="changed">
      <h2 id="changed">Changed</h2>
      <ul>
        {i.changes.map((c) => (
          <li key={`${c.at}${c.summary}`}>
            <Icon name="change" />
            <p>
              <b>{bareName(c.service)}</b> {c.kind} <span class="faint">{beforeStart(i, c.at)}</span>
              <span class="text">{c.link ? <Outside href={c.link}>{c.summary || c.link}</Outside> : c.summary}</span>
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}

// beforeStart places a change relative to the start of the incident.
function beforeStart(i: Incident, at?: string): string {
  const d = millis(i.started_at) - millis(at);
  if (Number.isNaN(d)) return "";
  return d < 0 ? `${span(-d)} after it began` : `${span(d)} before it began`;
}

export function SeenBefore({ of: i }: { of: Incident }) {
  const seen = i.seen_before;
  if (!seen || seen.times === 0) return null;
  return (
    <section class="card seen-before" aria-labelledby="seen-before">
      <h2 id="seen-before">
        Seen before <span class="faint">{plural(seen.times, "time")} in 90 days</span>
      </h2>
      {seen.lines.map((l) => (
        <p key={l}>{l}</p>
      ))}
      <ul class="plain-list">
        {seen.action_items.map((a) => (
          <li key={a.id}>
            <Icon name="todo" /> {a.id} {a.text} <span class="faint">{a.assignee || "nobody"}</span>
          </li>
        ))}
        {seen.latest.map((r) => (
          <li key={r.incident}>
            <a {...to(`incidents/${r.incident}`)}>{r.incident}</a> <span class="faint">{r.duration && span(seconds(r.duration) * 1000)}</span>
            {r.ended_by && <span class="text">ended by “{r.ended_by}”</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Record({ of: i }: { of: Incident }) {
  return (
    <section class="card record" aria-labelledby="record">
      <h2 id="record">Record</h2>
      <dl>
        <div>
          <dt>Severity</dt>
          <dd>
            {sevWord(i.incident_severity)} <span class="faint">{i.set_severity ? `set by ${i.set_severity.actor}${i.set_severity.note && `: ${i.set_severity.note}`}` : i.incident_severity_reason}</span>
          </dd>
        </div>
        {i.acknowledgement && (
          <div>
            <dt>Acknowledged</dt>
            <dd>
              by {i.acknowledgement.actor} at {clock(i.acknowledgement.at)} {i.acknowledgement.note && <q>{i.acknowledgement.note}</q>}
            </dd>
          </div>
        )}
        {i.roles.map((r) => (
          <div key={r.role}>
            <dt>{r.role.replaceAll("-", " ")}</dt>
            <dd>{r.assignee}</dd>
          </div>
        ))}
        {i.resolved_at && (
          <div>
            <dt>Resolved</dt>
            <dd>
              {when(i.resolved_at)} {i.resolved_by && `by ${i.resolved_by}`}
            </dd>
          </div>
        )}
        {i.closed && (
          <div>
            <dt>Closed</dt>
            <dd>
              by {i.closed.actor}: {i.closed.note}
            </dd>
          </div>
        )}
        <div>
          <dt>Graph</dt>
          <dd class="mono">{i.topology_version || "none"}</dd>
        </div>
      </dl>
    </section>
  );
}

export function ActionItems({ of: i }: { of: Incident }) {
  const { data } = useLoaded((signal) => get<ListActionItemsResponse>("action-items", { filter: `incident = ${JSON.stringify(i.id)}`, order_by: "due" }, signal), [i.id, i.timeline.length]);
  if (!data || data.action_items.length === 0) return null;
  return (
    <section class="card items" aria-labelledby="items">
      <h2 id="items">Action items</h2>
      <ActionItemList of={data.action_items} />
    </section>
  );
}

export function ActionItemList({ of, withIncident }: { of: ActionItem[]; withIncident?: boolean }) {
  return (
    <ul class="action-items">
      {of.map((a) => (
        <li key={a.id} class={a.ended_at ? "ended" : ""}>
          <Icon name={a.ended_at ? "check" : "todo"} />
          <p>
            <span class="text">{a.text}</span>
            <span class="faint">
              {a.id} · {actionStatusWord(a.status)} · {actionPriorityWord(a.priority)} · {a.assignee || "nobody"}
              {a.due && ` · due ${a.due.slice(0, 10)}`}
              {withIncident && a.incident && (
                <>
                  {" · "}
                  <a {...to(`incidents/${a.incident}`)}>{a.incident}</a>
                </>
              )}
            </span>
          </p>
        </li>
      ))}
    </ul>
  );
}

export function Pages({ of: i }: { of: Incident }) {
  return (
    <section class="card pages" aria-labelledby="pages">
      <h2 id="pages">Pages</h2>
      {i.paging?.hold && (
        <p class="held">
          <Icon name="clock" /> held{i.paging.hold.until && ` until ${clock(i.paging.hold.until)}`}: {i.paging.hold.text}
        </p>
      )}
      {i.paging?.call_due_at && isOpen(i) && <p class="faint">rings next at {clock(i.paging.call_due_at)} if nothing changes</p>}
      {i.pages.length === 0 && !i.paging?.hold && (
        <p class="faint">{i.paging?.due_at ? `The first is due at ${clock(i.paging.due_at)} UTC.` : "Nobody was paged for it."}</p>
      )}
      <ol>
        {i.pages.map((p) => (
          <li key={p.seq}>
            <p>
              <At at={p.at} /> <b>{pageWord(p.kind)}</b> {p.reason}
              {p.superseded && <span class="faint"> made needless by a later page</span>}
            </p>
            {p.deliveries.map((d) => (
              <p key={d.receiver + d.integration + d.index} class={`delivery ${d.sent_at ? "sent" : d.last_error ? "failed" : ""}`}>
                <Icon name={d.sent_at ? "check" : d.last_error ? "cross" : "clock"} /> {delivery(d)}
              </p>
            ))}
          </li>
        ))}
      </ol>
    </section>
  );
}

function delivery(d: Delivery): string {
  const to = `${d.receiver}/${d.integration}`;
  if (d.sent_at) return `${to} got it at ${clock(d.sent_at)}`;
  if (d.skipped) return `${to} did not get it: ${d.skipped}`;
  if (d.last_error) return `${to}: ${plural(d.attempts, "attempt")} failed, the last with: ${d.last_error}`;
  return `${to} is waiting`;
}

export function Gaps({ of: i }: { of: Incident }) {
  if (i.gaps.length === 0) return null;
  return (
    <section class="card gaps" aria-labelledby="gaps">
      <h2 id="gaps">Gaps</h2>
      <ul>
        {i.gaps.map((g) => (
          <li key={g}>{g}</li>
        ))}
      </ul>
    </section>
  );
}


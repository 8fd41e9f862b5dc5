// Alerts, and what became of each.
import { useMemo, useState } from "preact/hooks";
import { AlertSeverity, At, Copy, Icon, Outside } from "./parts";
import type { Alert, Incident } from "./wire";
import { fateWord, millis, plural, refName, span } from "./words";

type Show = "all" | "firing" | "muted";

// mutedBy says what keeps the alert from paging: a silence, an inhibition or a maintenance window.
const mutedBy = (a: Alert) => a.muted || a.maintenance;

export function AlertsSection(p: { alerts: Alert[]; more: boolean; incident: Incident; service: string; pickService: (s: string) => void; until?: number }) {
  const [show, setShow] = useState<Show>("all");
  const shown = useMemo(() => p.alerts.filter((a) => (!p.service || refName(a.service) === p.service) && (show === "all" || (show === "firing" ? a.active : mutedBy(a) !== ""))), [p.alerts, p.service, show]);
  return (
    <section class="card alerts" aria-labelledby="alerts">
      <header>
        <h2 id="alerts">
          Alerts <span class="faint">{shown.length === p.incident.alerts ? p.incident.alerts : `${shown.length} of ${p.incident.alerts}`}</span>
        </h2>
        {(["all", "firing", "muted"] as const).map((s) => (
          <button type="button" key={s} class="chip" aria-pressed={show === s} onClick={() => setShow(s)}>
            {s}
          </button>
        ))}
        {p.service && (
          <button type="button" class="chip" aria-pressed="true" onClick={() => p.pickService("")}>
            {p.service} <Icon name="cross" />
          </button>
        )}
      </header>
      <AlertTable of={shown} />
      {p.more && (
        <p class="faint">
          More than are shown here; <code>hwctl alerts list --incident={p.incident.id} --limit=0</code> lists all.
        </p>
      )}
      {p.incident.truncated > 0 && <p class="faint">{plural(p.incident.truncated, "alert")} were left out by their senders.</p>}
    </section>
  );
}

// folded is how many rows stand there before somebody asks for all.
const folded = 12;

export function AlertTable({ of: all }: { of: Alert[] }) {
  const [unfolded, unfold] = useState(false);
  if (all.length === 0) return <p class="faint">None.</p>;
  const of = unfolded || all.length <= folded + 2 ? all : all.slice(0, folded);
  return (
    <div class="table-box">
      <table class="alert-table">
        <thead>
          <tr>
            <th scope="col">Severity</th>
            <th scope="col">Alert</th>
            <th scope="col">Service</th>
            <th scope="col">Began</th>
            <th scope="col">State</th>
            <th scope="col">Fate</th>
          </tr>
        </thead>
        <tbody>
          {of.map((a) => (
            <AlertRow key={a.id} of={a} />
          ))}
        </tbody>
      </table>
      {of.length < all.length && (
        <button type="button" class="unfold" onClick={() => unfold(true)}>
          Show all {all.length}
        </button>
      )}
    </div>
  );
}

function AlertRow({ of: a }: { of: Alert }) {
  return (
    <tr class={a.active ? "" : "ended"}>
      <td>
        <AlertSeverity of={a.severity} wordless />
      </td>
      <td>
        <details>
          <summary>
            {a.labels["alertname"] ?? a.fingerprint}
            {a.annotations["summary"] && <span class="summary">{a.annotations["summary"]}</span>}
          </summary>
          <AlertDetail of={a} />
        </details>
      </td>
      <td>
        {a.caller && <span class="faint">{a.caller.name} → </span>}
        {a.service?.name}
        {!a.mapped && <span class="tag">not mapped</span>}
      </td>
      <td>
        <At at={a.started_at} />
      </td>
      <td>{a.active ? <span class="firing">firing{mutedBy(a) && ", muted"}</span> : <span>lasted {span(millis(a.ended_at) - millis(a.started_at))}</span>}</td>
      <td class="fate">
        <b>{fateWord(a.fate?.kind)}</b> {a.fate?.text}
      </td>
    </tr>
  );
}

function AlertDetail({ of: a }: { of: Alert }) {
  const labels = Object.entries(a.labels).sort(([x], [y]) => (x < y ? -1 : 1));
  return (
    <div class="detail">
      <dl>
        {labels.map(([k, v]) => (
          <div key={k}>
            <dt>{k}</dt>
            <dd>{v}</dd>
          </div>
        ))}
      </dl>
      <p class="faint">
        {a.mapped ? `named the service: ${a.mapped_by}` : "its labels name no service"}
        {mutedBy(a) && ` · muted: ${mutedBy(a)}`}
        {a.detached && ` · ${a.detached}`}
      </p>
      <p>
        <code>{a.id}</code> <Copy text={a.id} what="the alert's id" />
        {a.generator_url && (
          <Outside href={a.generator_url}>
            <Icon name="link" /> expression
          </Outside>
        )}
        {a.annotations["runbook_url"] && (
          <Outside href={a.annotations["runbook_url"]}>
            <Icon name="doc" /> runbook
          </Outside>
        )}
      </p>
    </div>
  );
}

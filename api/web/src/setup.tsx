// Set-up: what `hwctl doctor` says, and how it is with what comes in and what is kept.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Sample, get, metrics } from "./api";
import { Code, Empty, Icon, type IconName, Trouble, Waiting, useTitle } from "./parts";
import { to } from "./route";
import { now, useLoaded } from "./store";
import type { Finding, FindingSeverity, GetAuditResponse, ListFindingsResponse } from "./wire";
import { findingWord, plural, when } from "./words";

// lookEvery is how often findings are asked for: each time Prometheus servers are, too.
const lookEvery = 60_000;

export function SetupView() {
  const [round, again] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && again((n) => n + 1), lookEvery);
    return () => clearInterval(timer);
  }, []);
  const found = useLoaded((signal) => get<ListFindingsResponse>("setup/findings", {}, signal), ["findings", round]);
  useTitle("Set-up");
  return (
    <main id="main">
      <header class="view-head">
        <h1>Set-up</h1>
        {found.data && (
          <p class="summary">
            {verdict(found.data.findings)} · {plural(Number(found.data.alert_count), "alert")} looked at · {plural(Number(found.data.service_count), "service")} in the graph
          </p>
        )}
      </header>
      <Flow />
      <Audit />
      {found.error && <Trouble what="The set-up could not be looked at" error={found.error} again={found.again} />}
      {!found.data && found.busy && <Waiting what="findings" />}
      {found.data && <Findings of={found.data} />}
    </main>
  );
}

function verdict(f: Finding[]): string {
  const of = (s: FindingSeverity) => f.filter((x) => x.severity === s).length;
  const parts = [
    [of("FINDING_SEVERITY_ERROR"), "error"],
    [of("FINDING_SEVERITY_WARNING"), "warning"],
    [of("FINDING_SEVERITY_HINT"), "hint"],
  ] as const;
  return parts.filter(([n]) => n > 0).map(([n, w]) => plural(n, w)).join(", ") || "nothing is amiss";
}

export function Findings({ of: r }: { of: ListFindingsResponse }) {
  if (r.findings.length === 0) return <Empty title="Nothing is amiss" />;
  return (
    <>
      <ol class="cards-list findings">
        {r.findings.map((f) => (
          <FindingCard key={f.kind + f.subject} of={f} />
        ))}
      </ol>
      {r.notes.map((n) => (
        <p key={n} class="faint">
          {n}
        </p>
      ))}
    </>
  );
}

const findingIcons: Record<string, IconName> = { error: "cross", warning: "alert", hint: "note" };

function FindingCard({ of: f }: { of: Finding }) {
  const word = findingWord(f.severity);
  return (
    <li class={`card finding ${word}`}>
      <h2>
        <span class={`verdict ${word}`}>
          <Icon name={findingIcons[word] ?? "note"} /> {word}
        </span>
        {f.title}
      </h2>
      <ul class="seen">
        {f.evidence.map((e) => (
          <li key={e.text}>
            {e.text}
            {Number(e.count) > 0 && <b> {Number(e.count).toLocaleString("en")}×</b>}
            {e.last_at && <span class="faint"> last {when(e.last_at)}</span>}
          </li>
        ))}
      </ul>
      <p>{f.why}</p>
      <p>
        <b>Do:</b> {f.remedy}
      </p>
      {f.snippet && (
        <figure>
          <figcaption>
            {f.snippet.target}
            {f.snippet.placeholders && <span class="faint"> (names in capitals are for you to fill in)</span>}
          </figcaption>
          <Code text={f.snippet.text} what={`text for ${f.snippet.target}`} />
        </figure>
      )}
    </li>
  );
}

// audited is how far back the audit looks.
const audited = 24 * 3600_000;

// Audit says whether every alert of a day ended in a page or in a written reason.
function Audit() {
  const audit = useLoaded((signal) => get<GetAuditResponse>("audit", { since: new Date(now() - audited).toISOString() }, signal), ["audit"]);
  if (audit.error) return <Trouble what="The audit could not be made" error={audit.error} again={audit.again} />;
  if (!audit.data) return null;
  return <AuditCard of={audit.data} />;
}

export function AuditCard({ of: a }: { of: GetAuditResponse }) {
  return (
    <section class={`card audit ${a.proven ? "proven" : "unproven"}`} aria-labelledby="audit">
      <h2 id="audit">
        <Icon name={a.proven ? "check" : "alert"} /> Audit <span class="faint">the last 24 hours, as hwctl audit has it</span>
      </h2>
      <p>
        {a.proven
          ? `Each of ${plural(Number(a.alerts), "alert")}, ${Number(a.page_worthy).toLocaleString("en")} of them worth a page, ended in a page or in a written reason.`
          : `${plural(a.findings.length, "finding")} about ${plural(Number(a.alerts), "alert")}.`}
      </p>
      <ul class="plain-list">
        {a.findings.slice(0, 20).map((f) => (
          <li key={f.kind + f.incident + f.alert + f.receiver}>
            {f.incident && <a {...to(`incidents/${f.incident}`)}>{f.incident}</a>} {f.text}
          </li>
        ))}
      </ul>
    </section>
  );
}

// Flow is what comes in and how far behind the engine is, from the server's own metrics.
function Flow() {
  const [facts, set] = useState<Fact[] | "none">([]);
  const before = useRef<{ samples: Sample[]; at: number } | undefined>(undefined);
  useEffect(() => {
    const stop = new AbortController();
    const look = async () => {
      try {
        const samples = await metrics(/^headwater_/, stop.signal);
        const was = before.current;
        before.current = { samples, at: now() };
        set(factsOf(samples, was && { samples: was.samples, seconds: (now() - was.at) / 1000 }));
      } catch {
        if (!stop.signal.aborted) set("none");
      }
    };
    void look();
    // A rate needs two looks: the second comes soon.
    const second = setTimeout(() => void look(), 1500);
    const timer = setInterval(() => !document.hidden && void look(), 5000);
    return () => {
      clearTimeout(second);
      clearInterval(timer);
      stop.abort();
    };
  }, []);
  if (facts === "none") return <p class="faint">The server's metrics cannot be read here.</p>;
  return <Facts of={facts} />;
}

export interface Fact {
  name: string;
  value: string;
  note?: string;
  bad?: boolean;
}

export function Facts({ of }: { of: Fact[] }) {
  return (
    <dl class="facts" aria-label="How it runs">
      {of.map((f) => (
        <div key={f.name} class={f.bad ? "bad" : ""}>
          <dt>{f.name}</dt>
          <dd>
            {f.bad && <Icon name="alert" />}
            {f.value}
            {f.note && <span class="faint">{f.note}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

const sum = (samples: Sample[], name: string) => samples.filter((s) => s.name === name).reduce((n, s) => n + s.value, 0);

export function bytes(n: number): string {
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (n < 1024) return `${n < 10 && unit !== "B" ? n.toFixed(1) : Math.round(n)} ${unit}`;
    n /= 1024;
  }
  return `${n.toFixed(1)} TiB`;
}

export function factsOf(s: Sample[], was?: { samples: Sample[]; seconds: number }): Fact[] {
  const rate = (name: string) => {
    if (!was || was.seconds <= 0) return "…";
    return `${((sum(s, name) - sum(was.samples, name)) / was.seconds).toFixed(1)}/s`;
  };
  const lag = sum(s, "headwater_driver_lag_seconds");
  const entries = sum(s, "headwater_driver_lag_entries");
  const lost = sum(s, "headwater_ingest_alerts_truncated_total");
  const dead = sum(s, "headwater_bus_dead_letters_total") + sum(s, "headwater_ingest_dead_letters_total");
  return [
    { name: "Alerts", value: rate("headwater_ingest_alerts_total"), note: `${sum(s, "headwater_ingest_alerts_total").toLocaleString("en")} since the start` },
    { name: "Health results", value: rate("headwater_ingest_health_results_total") },
    { name: "Engine lag", value: `${lag.toFixed(lag < 10 ? 1 : 0)} s`, note: plural(entries, "entry").replace("entrys", "entries"), bad: lag > 10 },
    { name: "Stream", value: bytes(sum(s, "headwater_bus_stream_bytes")), note: `position ${sum(s, "headwater_bus_stream_last_position").toLocaleString("en")}`, bad: sum(s, "headwater_bus_up") === 0 },
    { name: "Storage", value: sum(s, "headwater_store_size_bytes") > 0 ? bytes(sum(s, "headwater_store_size_bytes")) : "not measured yet" },
    { name: "Dead letters", value: String(dead), note: dead > 0 ? "bodies that could not be read" : "", bad: dead > 0 },
    { name: "Left out by senders", value: String(lost), note: lost > 0 ? "alerts" : "", bad: lost > 0 },
  ];
}

// Incidents: what is open, the worst first.
import { memo } from "preact/compat";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get } from "./api";
import { incidents, link } from "./live";
import { Ago, Empty, Icon, OriginName, Probability, Sev, Spark, Standing, Trouble, Waiting, useTitle } from "./parts";
import { setQuery, to, usePlace } from "./route";
import { useCell, useLoaded } from "./store";
import type { Incident, ListIncidentsResponse } from "./wire";
import { alertsOf, best, endedAt, headline, holder, isOpen, millis, nobodyHas, plural, refName, sevRank, sevWord, statusWord } from "./words";

// Filters are what the address says.
export interface Filters {
  sev: string[];
  status: string;
  owner: string;
  unheld: boolean;
  text: string;
}

export function filtersOf(query: URLSearchParams): Filters {
  return {
    sev: (query.get("sev") ?? "").split(",").filter(Boolean),
    status: query.get("status") ?? "",
    owner: query.get("owner") ?? "",
    unheld: query.get("unheld") === "1",
    text: query.get("q") ?? "",
  };
}

export function matches(i: Incident, f: Filters): boolean {
  if (f.sev.length > 0 && !f.sev.includes(sevWord(i.incident_severity))) return false;
  if (f.status && statusWord(i.status) !== f.status) return false;
  if (f.owner && !i.services.some((s) => s.owner === f.owner) && best(i)?.owner !== f.owner) return false;
  if (f.unheld && !nobodyHas(i)) return false;
  return f.text === "" || searchable(i).includes(f.text.toLowerCase());
}

const searchable = (i: Incident) =>
  [i.id, i.headline, i.title, i.environment, holder(i), ...i.services.map((s) => refName(s.service)), ...i.origins.slice(0, 3).map((o) => refName(o.service))].join(" ").toLowerCase();

// worstFirst orders by severity; of equals the one that began last comes first.
export function worstFirst(all: Incident[]): Incident[] {
  const keyed = all.map((i) => ({ i, rank: sevRank(i.incident_severity), began: millis(i.started_at), number: Number(i.number) }));
  keyed.sort((a, b) => a.rank - b.rank || b.began - a.began || b.number - a.number);
  return keyed.map((k) => k.i);
}

export function IncidentsView() {
  const known = useCell(incidents);
  const { query } = usePlace();
  const filters = useMemo(() => filtersOf(query), [query]);
  const open = useMemo(() => worstFirst([...known.byId.values()].filter(isOpen)), [known]);
  const shown = useMemo(() => open.filter((i) => matches(i, filters)), [open, filters]);
  useTitle(open.length ? `${open.length} open` : "Incidents");
  return (
    <main id="main">
      <header class="view-head">
        <h1>Incidents</h1>
        {known.complete && <p class="summary">{summary(open)}</p>}
      </header>
      <FilterBar open={open} filters={filters} />
      <List shown={shown} open={open} complete={known.complete} />
      {known.complete && <Lately openCount={open.length} />}
    </main>
  );
}

function summary(open: Incident[]): string {
  if (open.length === 0) return "none open";
  const parts = [`${open.length} open`];
  for (const sev of ["SEV1", "SEV2"]) {
    const n = open.filter((i) => sevWord(i.incident_severity) === sev).length;
    if (n) parts.push(`${n} ${sev}`);
  }
  const unheld = open.filter(nobodyHas).length;
  if (unheld) parts.push(`nobody has ${unheld === open.length && unheld > 1 ? "any of them" : unheld === 1 ? "one" : unheld}`);
  return parts.join(" · ");
}

function List({ shown, open, complete }: { shown: Incident[]; open: Incident[]; complete: boolean }) {
  const state = useCell(link);
  if (shown.length > 0) return <Rows of={shown} label="Open incidents" />;
  if (!complete) {
    if (state.state === "broken") return <Trouble what="The incidents cannot be shown" error={new Error(state.why)} />;
    return <Waiting what="incidents" />;
  }
  if (open.length > 0) {
    return (
      <Empty title={`None of ${plural(open.length, "open incident")} matches`}>
        <button type="button" onClick={() => setQuery({ sev: "", status: "", owner: "", unheld: "", q: "" })}>
          Show all
        </button>
      </Empty>
    );
  }
  return (
    <Empty title="No incident is open">
      <p>
        Alerts are listened to. What is amiss with that stands under <a {...to("setup")}>Set-up</a>.
      </p>
    </Empty>
  );
}

// atOnce is how many rows are made in one go. The rest follows, a few at a time, so that
// whoever presses a key meanwhile is not made to wait for five hundred.
const atOnce = 40;

// Rows is a list of incidents, for keyboards as well.
export function Rows({ of, label }: { of: Incident[]; label: string }) {
  const [limit, setLimit] = useState(atOnce);
  useEffect(() => {
    if (limit > of.length + atOnce) {
      setLimit(of.length + atOnce);
    } else if (limit < of.length) {
      const timer = setTimeout(() => setLimit(limit + atOnce), 16);
      return () => clearTimeout(timer);
    }
    return undefined;
  }, [limit, of.length]);
  return (
    <ol class="rows" aria-label={label}>
      {of.slice(0, limit).map((i) => (
        <Row key={i.id} of={i} />
      ))}
    </ol>
  );
}

const Row = memo(function Row({ of: i }: { of: Incident }) {
  const { what, rest } = headline(i);
  const origin = best(i);
  const who = holder(i);
  return (
    <li class={isOpen(i) ? "" : "over"}>
      <a class="row" {...to(`incidents/${i.id}`)}>
        <span class="cell-sev">
          <Sev of={i.incident_severity} over={!isOpen(i)} />
          <span class="id">{i.id}</span>
        </span>
        <span class="cell-what">
          <span class="what">{what}</span>
          {rest[0] && <span class="symptom">{rest[0]}</span>}
        </span>
        <span class="cell-origin">
          <OriginName of={origin} />
          {origin && <Probability of={origin.probability} quiet={origin.probability < 0.5} />}
        </span>
        <span class="cell-spark">
          <Spark of={i} />
        </span>
        <span class="cell-reach">
          <span>{alertsOf(i)}</span>
          <span>{plural(i.services.filter((s) => s.alerts > 0).length, "service")}</span>
        </span>
        <span class="cell-since">
          <Icon name="clock" />
          <Ago at={i.started_at ?? i.opened_at} until={endedAt(i)} />
          {!isOpen(i) && <span class="date">{(i.started_at ?? i.opened_at ?? "").slice(0, 10)}</span>}
        </span>
        <span class="cell-who">
          <Standing of={i} />
          {(who || nobodyHas(i)) && isOpen(i) && <span class={who ? "who" : "who nobody"}>{who || "nobody has it"}</span>}
        </span>
      </a>
    </li>
  );
});

function FilterBar({ open, filters: f }: { open: Incident[]; filters: Filters }) {
  const owners = useMemo(() => [...new Set(open.flatMap((i) => [best(i)?.owner ?? "", ...i.services.map((s) => s.owner)]))].filter(Boolean).sort(), [open]);
  const toggle = (sev: string) => setQuery({ sev: (f.sev.includes(sev) ? f.sev.filter((s) => s !== sev) : [...f.sev, sev]).sort().join(",") });
  return (
    <search class="filters">
      <SearchBox value={f.text} onInput={(q) => setQuery({ q })} label="Search open incidents" />
      <div class="chips" role="group" aria-label="Severity">
        {["SEV1", "SEV2", "SEV3", "SEV4"].map((sev) => (
          <button type="button" key={sev} aria-pressed={f.sev.includes(sev)} onClick={() => toggle(sev)}>
            {sev}
          </button>
        ))}
      </div>
      <button type="button" class="chip" aria-pressed={f.unheld} onClick={() => setQuery({ unheld: f.unheld ? "" : "1" })}>
        nobody has it
      </button>
      <Choice label="Status" value={f.status} all="any status" of={["detected", "investigating", "identified", "mitigating"]} onPick={(status) => setQuery({ status })} />
      {owners.length > 0 && <Choice label="Owner" value={f.owner} all="any owner" of={owners} onPick={(owner) => setQuery({ owner })} />}
    </search>
  );
}

export function Choice({ label, value, all, of, onPick }: { label: string; value: string; all: string; of: string[]; onPick: (v: string) => void }) {
  return (
    <select aria-label={label} value={value} onChange={(e) => onPick(e.currentTarget.value)}>
      <option value="">{all}</option>
      {(of.includes(value) || !value ? of : [value, ...of]).map((o) => (
        <option key={o} value={o}>
          {o}
        </option>
      ))}
    </select>
  );
}

// typing is the pause after which a search begins: letters show at once, what they find a
// moment later.
const typing = 90;

export function SearchBox({ value, onInput, label }: { value: string; onInput: (v: string) => void; label: string }) {
  const box = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const type = (text: string) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onInput(text), typing);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    if (box.current && box.current.value !== value && document.activeElement !== box.current) box.current.value = value;
  }, [value]);
  return (
    <span class="search-box">
      <Icon name="search" />
      <input ref={box} type="search" data-search="1" placeholder={label} aria-label={label} defaultValue={value} onInput={(e) => type(e.currentTarget.value)} />
      <kbd aria-hidden="true">/</kbd>
    </span>
  );
}

// lately is how many that are over stand below the open ones.
const lately = 5;

function Lately({ openCount }: { openCount: number }) {
  const { data } = useLoaded((signal) => get<ListIncidentsResponse>("incidents", { filter: 'state = "resolved"', order_by: "updated_at desc", page_size: lately }, signal), ["lately", openCount]);
  if (!data || data.incidents.length === 0) return null;
  return (
    <section class="lately">
      <h2>Lately over</h2>
      <Rows of={data.incidents} label="Incidents that are over" />
      <p>
        <a {...to("history")}>All of them</a>
      </p>
    </section>
  );
}

// Topology: what depends on what, how well that is known, and what breaks when something fails.
import { useMemo } from "preact/hooks";
import { get } from "./api";
import { SearchBox } from "./list";
import { incidents } from "./live";
import { Empty, Icon, Trouble, Waiting, useTitle } from "./parts";
import { BoxText, Picture, curve, runsDown, tip, useWidth } from "./picture";
import { go, setQuery, to, usePlace } from "./route";
import { ServicePanel } from "./service";
import { TopologySources } from "./sources";
import { useCell, useLoaded } from "./store";
import type { GetNeighborhoodResponse, GetTopologyResponse, HealthCheck, Incident, ListHealthResponse, NeighborhoodEdge, NeighborhoodNode, Service, ServiceRef } from "./wire";
import { isOpen, kindWord, modeWord, plural, refName } from "./words";

// State is how it is with a service now: as words, a shape and a colour.
export interface State {
  firing: number;
  // incident is the open one that it is in; empty: none.
  incident: string;
  origin: boolean;
  // failing and passing are its health checks.
  failing: number;
  passing: number;
}

const calm: State = { firing: 0, incident: "", origin: false, failing: 0, passing: 0 };

// statesOf puts together what open incidents and health checks say, by the service's full name.
export function statesOf(open: Iterable<Incident>, checks: HealthCheck[]): Map<string, State> {
  const out = new Map<string, State>();
  const of = (r?: ServiceRef) => {
    const name = refName(r);
    const s = out.get(name) ?? { ...calm };
    out.set(name, s);
    return s;
  };
  for (const i of open) {
    if (!isOpen(i)) continue;
    for (const hit of i.services) {
      const s = of(hit.service);
      s.firing += hit.firing;
      s.incident ||= i.id;
    }
    const origin = i.origins[0];
    if (origin && (origin.probability >= 0.5 || i.set_origin)) Object.assign(of(origin.service), { origin: true, incident: i.id });
  }
  for (const c of checks) {
    const s = of(c.service);
    if (c.status === "HEALTH_STATUS_PASSING") s.passing++;
    else if (c.status === "HEALTH_STATUS_FAILING" || c.status === "HEALTH_STATUS_DEGRADED") s.failing++;
  }
  return out;
}

// stateWords say it in a line.
export function stateWords(s: State): string {
  const parts: string[] = [];
  if (s.origin) parts.push("origin");
  if (s.firing > 0) parts.push(plural(s.firing, "alert"));
  if (s.failing > 0) parts.push(`${plural(s.failing, "check")} failing`);
  if (parts.length > 0) return parts.join(", ");
  return s.passing > 0 ? "✓ checks pass" : "not watched";
}

// briefly is the worst of it: a box is narrow.
const briefly = (s: State) => stateWords(s).split(", ")[0]!;

const stateClass = (s: State) => (s.origin ? "origin" : s.firing > 0 || s.failing > 0 ? "hit" : s.passing > 0 ? "cleared" : "plain");

// wholeUpTo is how large a graph may be to be shown whole at first.
const wholeUpTo = 60;

export function TopologyView({ service }: { service: string }) {
  const { query } = usePlace();
  const graph = useLoaded((signal) => get<GetTopologyResponse>("topology", {}, signal), ["topology"]);
  const checks = useLoaded((signal) => get<ListHealthResponse>("health", { page_size: 1000 }, signal), ["health"]);
  const known = useCell(incidents);
  const states = useMemo(() => statesOf(known.byId.values(), checks.data?.checks ?? []), [known, checks.data]);
  const services = graph.data?.topology?.services ?? [];
  useTitle(service || "Topology");
  return (
    <main id="main" class="topology">
      <header class="view-head">
        <h1>Topology</h1>
        {graph.data && (
          <p class="summary">
            {plural(services.length, "service")} · {plural(graph.data.topology?.dependencies.length ?? 0, "dependency").replace("dependencys", "dependencies")}
            {graph.data.topology?.version && <> · version {graph.data.topology.version}</>}
          </p>
        )}
      </header>
      {graph.error && <Trouble what="The graph cannot be shown" error={graph.error} again={graph.again} />}
      {!graph.data && graph.busy && <Waiting what="the graph" />}
      {graph.data && services.length === 0 && (
        <Empty title="There is no graph yet">
          <p>
            Without one, alerts are grouped by time alone. What to do about it stands under <a {...to("setup")}>Set-up</a>.
          </p>
        </Empty>
      )}
      {services.length > 0 && (
        <div class="topology-columns">
          <ServiceList of={services} states={states} chosen={service} text={query.get("q") ?? ""} />
          <div class="main-column">
            {(service || services.length <= wholeUpTo) && <Neighborhood service={service} depth={Number(query.get("depth")) || 1} states={states} />}
            {!service && services.length > wholeUpTo && (
              <Empty title="Pick a service">
                <p>{services.length.toLocaleString("en")} at once would tell nothing. What is around one does.</p>
              </Empty>
            )}
            {service && <ServicePanel key={service} name={service} checks={checks.data?.checks ?? []} />}
            {!service && <TopologySources />}
          </div>
        </div>
      )}
    </main>
  );
}

// listed bounds the list; a search finds the rest.
const listed = 120;

function ServiceList({ of, states, chosen, text }: { of: Service[]; states: Map<string, State>; chosen: string; text: string }) {
  const found = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const rank = (s: Service) => {
      const st = states.get(refName(s.ref)) ?? calm;
      return st.origin ? 0 : st.firing > 0 ? 1 : st.failing > 0 ? 2 : 3;
    };
    return of
      .filter((s) => words.every((w) => `${refName(s.ref)} ${kindWord(s.kind)} ${s.owner} ${s.aliases.join(" ")}`.toLowerCase().includes(w)))
      .sort((a, b) => rank(a) - rank(b) || (a.short_name < b.short_name ? -1 : 1));
  }, [of, states, text]);
  return (
    <section class="service-list" aria-label="Services">
      <SearchBox value={text} onInput={(q) => setQuery({ q })} label="Search services, kinds, owners" />
      <ol>
        {found.slice(0, listed).map((s) => {
          const state = states.get(refName(s.ref)) ?? calm;
          return (
            <li key={refName(s.ref)}>
              <a class={`row service ${stateClass(state)}`} {...to(`topology/${s.short_name}${text ? `?q=${encodeURIComponent(text)}` : ""}`)} aria-current={s.short_name === chosen || refName(s.ref) === chosen ? "true" : undefined}>
                <StateMark of={state} />
                <span class="name">{s.short_name}</span>
                <span class="faint">{kindWord(s.kind)}</span>
              </a>
            </li>
          );
        })}
      </ol>
      {found.length > listed && <p class="faint">and {(found.length - listed).toLocaleString("en")} more; search finds them</p>}
      {found.length === 0 && <p class="faint">None matches.</p>}
    </section>
  );
}

// StateMark is a shape for a state, with its words for screen readers.
export function StateMark({ of }: { of: State }) {
  const shape = { origin: "M7 1.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 7 1.2zM7 5a2 2 0 1 0 0 4 2 2 0 0 0 0-4z", hit: "M7 1l6 6-6 6-6-6z", cleared: "M2.5 7.5l3 3 6-7", plain: "M7 5.4a1.6 1.6 0 1 0 0 3.2 1.6 1.6 0 0 0 0-3.2z" }[stateClass(of)];
  return (
    <span class={`state-mark ${stateClass(of)}`}>
      <svg viewBox="0 0 14 14" aria-hidden="true">
        <path d={shape} />
      </svg>
      <span class="unseen">{stateWords(of)}: </span>
    </span>
  );
}

function Neighborhood({ service, depth, states }: { service: string; depth: number; states: Map<string, State> }) {
  const { ref, width } = useWidth();
  const wide = useLoaded((signal) => ask(service, depth, false, signal), [`${service} ${depth}`]);
  const down = wide.data !== undefined && width > 0 && runsDown(wide.data.width, width);
  const narrow = useLoaded((signal) => (down ? ask(service, depth, true, signal) : Promise.resolve(undefined)), [`${service} ${depth} ${down}`]);
  const shown = down ? narrow.data : wide.data;
  return (
    <section class="card" aria-labelledby="neighborhood">
      <header>
        <h2 id="neighborhood">
          {service ? `Around ${service}` : "All services"} <span class="faint">arrows lead to what is needed</span>
        </h2>
        {service &&
          [1, 2, 3].map((d) => (
            <button type="button" key={d} class="chip" aria-pressed={depth === d} onClick={() => setQuery({ depth: d === 1 ? "" : String(d) })}>
              {plural(d, "step")}
            </button>
          ))}
        {service && (
          <a class="chip-link" {...to("topology")}>
            all <Icon name="cross" />
          </a>
        )}
      </header>
      <div ref={ref}>
        {wide.error && <Trouble what="It cannot be drawn" error={wide.error} again={wide.again} />}
        {!shown && !wide.error && <div class="bone picture-bone" />}
        {shown && <NeighborhoodPicture of={shown} down={down} room={width} states={states} center={service} />}
      </div>
    </section>
  );
}

const ask = (service: string, depth: number, down: boolean, signal: AbortSignal) => get<GetNeighborhoodResponse>("topology:neighborhood", { service, depth, down }, signal);

export function NeighborhoodPicture({ of: n, down, room, states, center }: { of: GetNeighborhoodResponse; down: boolean; room: number; states: Map<string, State>; center: string }) {
  return (
    <>
      <Picture width={n.width} height={n.height} room={room} label="Dependencies. Each box is a service; press one to see what is around it.">
        {n.edges.map((e, k) => (
          <DependencyEdge key={k} of={e} down={down} />
        ))}
        {n.nodes.map((node) => (
          <ServiceNode key={refName(node.service)} of={node} state={states.get(refName(node.service)) ?? calm} center={node.short_name === center || refName(node.service) === center} />
        ))}
      </Picture>
      {n.omitted_services > 0 && <p class="faint">{plural(n.omitted_services, "more service")} not drawn.</p>}
      <ul class="legend" aria-label="Legend">
        {[
          ["hard", "cannot work without it"],
          ["soft", "works with less"],
          ["async", "notices later"],
        ]
          .filter(([mode]) => n.edges.some((e) => modeWord(e.mode) === mode))
          .map(([mode, text]) => (
            <li key={mode}>
              <svg viewBox="0 0 30 16" aria-hidden="true">
                <g class={`edge ${mode}`}>
                  <path class="line" d="M1 8H24" />
                  <path class="tip" d="M21 4L29 8L21 12Z" />
                </g>
              </svg>
              {text}
            </li>
          ))}
        {n.redundancy_groups.length > 0 && <li>of those joined by a name in brackets some suffice</li>}
      </ul>
    </>
  );
}

function ServiceNode({ of: n, state, center }: { of: NeighborhoodNode; state: State; center: boolean }) {
  const about = `${refName(n.service)}, ${kindWord(n.kind)}${n.tier ? `, tier ${n.tier}` : ""}${n.owner ? `, owner ${n.owner}` : ""}: ${stateWords(state)}`;
  const open = () => go(`topology/${n.short_name}`);
  const name = n.short_name.length > 29 ? n.short_name.slice(0, 28) + "…" : n.short_name;
  return (
    <g class={`node ${stateClass(state)}${center ? " picked" : ""}${state.firing + state.failing + state.passing === 0 && !state.origin ? " silent" : ""}`} role="button" tabIndex={0} aria-current={center ? "true" : undefined} onClick={open} onKeyDown={(e) => e.key === "Enter" && open()}>
      {state.origin && <rect class="ring" x={n.x - 5} y={n.y - 5} width={n.width + 10} height={n.height + 10} rx="12" />}
      <rect class="box" x={n.x} y={n.y} width={n.width} height={n.height} rx="8">
        <title>{about}</title>
      </rect>
      <BoxText box={n} kind={n.kind} lines={[name, n.owner || kindWord(n.kind), briefly(state)]} />
    </g>
  );
}

function DependencyEdge({ of: e, down }: { of: NeighborhoodEdge; down: boolean }) {
  const start = e.points[0];
  if (!start || e.points.length < 2) return null;
  return (
    <g class={`edge ${modeWord(e.mode)}`}>
      <path class="line" d={curve(e.points, down)} />
      <path class="tip" d={tip(e.points, down)} />
      {e.redundancy_group && (
        <text class="delay" x={start.x + (down ? 6 : 8)} y={start.y + (down ? 14 : -5)}>
          [{e.redundancy_group}]
        </text>
      )}
    </g>
  );
}

// The cascade: where it began, the way it took, and how it grew, drawn on the graph.
import { useMemo, useState } from "preact/hooks";
import { get } from "./api";
import { Trouble } from "./parts";
import { BoxText, Picture, curve, runsDown, tip, useWidth } from "./picture";
import { Replay, type Moment, momentAt } from "./replay";
import { useLoaded } from "./store";
import type { Alert, Cascade, CascadeEdge, CascadeLink, CascadeNode, CascadeRole, GetCascadeResponse, Incident } from "./wire";
import { percent, plural, refName, seconds, severityWord, span } from "./words";

const role = (r: CascadeRole) => r.replace("CASCADE_ROLE_", "").toLowerCase();
const link = (l: CascadeLink) => l.replace("CASCADE_LINK_", "").toLowerCase();

export function CascadeSection({ of: i, alerts, tick, service, pick }: { of: Incident; alerts: Alert[]; tick: number; service: string; pick: (s: string) => void }) {
  const { ref, width } = useWidth();
  const wide = useLoaded((signal) => ask(i.id, "CASCADE_DIRECTION_RIGHT", signal), [i.id, tick]);
  const down = wide.data !== undefined && width > 0 && runsDown(wide.data.width, width);
  const narrow = useLoaded((signal) => (down ? ask(i.id, "CASCADE_DIRECTION_DOWN", signal) : Promise.resolve(undefined)), [i.id, tick, down]);
  const cascade = down ? narrow.data : wide.data;
  const [at, setAt] = useState<number>();
  const moment = useMemo(() => (at === undefined ? undefined : momentAt(i, alerts, at)), [i, alerts, at]);
  return (
    <section class="card cascade" aria-labelledby="cascade">
      <header>
        <h2 id="cascade">Cascade</h2>
        <a href={`api/v1/incidents/${i.id}/cascade.svg`} class="faint" target="_blank" rel="noopener">
          as an image
        </a>
      </header>
      <div ref={ref}>
        {wide.error && !cascade && <Trouble what="The cascade cannot be drawn" error={wide.error} again={wide.again} />}
        {!cascade && !wide.error && <div class="bone picture-bone" />}
        {cascade && <CascadePicture of={cascade} down={down} room={width} {...(moment ? { moment } : {})} service={service} pick={pick} />}
      </div>
      {alerts.length > 0 && <Replay of={i} alerts={alerts} at={at} {...(moment ? { moment } : {})} onAt={setAt} />}
      {cascade && <Legend of={cascade} />}
    </section>
  );
}

async function ask(id: string, direction: string, signal: AbortSignal): Promise<Cascade | undefined> {
  return (await get<GetCascadeResponse>(`incidents/${encodeURIComponent(id)}/cascade`, { direction }, signal)).cascade;
}

// CascadePicture draws it as it is, or as it was at a moment.
export function CascadePicture(p: { of: Cascade; down: boolean; room: number; moment?: Moment; service: string; pick: (s: string) => void }) {
  const { nodes, edges } = p.of;
  return (
    <>
      <p class="unseen">{p.of.description}</p>
      <Picture width={p.of.width} height={p.of.height} label="Cascade. Each box is a service; press one to see its alerts alone." room={p.room} class={p.moment ? "replayed" : ""}>
        {edges.map((e, n) => (
          <Edge key={n} of={e} down={p.down} dim={p.moment !== undefined && !edgeReached(e, nodes, p.moment)} />
        ))}
        {nodes.map((node) => (
          <Node key={refName(node.service)} of={node} {...(p.moment ? { moment: p.moment } : {})} picked={p.service === refName(node.service)} pick={p.pick} />
        ))}
      </Picture>
      {p.of.omitted_services > 0 && <p class="faint">{plural(p.of.omitted_services, "more service")} that were hit are not drawn.</p>}
    </>
  );
}

function edgeReached(e: CascadeEdge, nodes: CascadeNode[], m: Moment): boolean {
  if (e.link !== "CASCADE_LINK_TOOK") return false;
  const to = nodes[e.to];
  return to !== undefined && (to.alerts === 0 || m.byService.has(refName(to.service)));
}

function Node({ of: n, moment, picked, pick }: { of: CascadeNode; moment?: Moment; picked: boolean; pick: (s: string) => void }) {
  const name = refName(n.service);
  const then = moment?.byService.get(name);
  const named = moment ? moment.origin === n.name : n.role === "CASCADE_ROLE_ORIGIN";
  const classes = ["node", role(n.role)];
  if (n.role === "CASCADE_ROLE_HIT" && ["warning", "info", "none"].includes(severityWord(n.severity))) classes.push("mild");
  if (n.silent) classes.push("silent");
  if (moment && !then && !named) classes.push("notyet");
  if (moment && then?.firing === 0) classes.push("quiet");
  if (named) classes.push("named");
  if (picked) classes.push("picked");
  const toggle = () => pick(picked ? "" : name);
  return (
    <g class={classes.join(" ")} role="button" tabIndex={0} aria-pressed={picked} onClick={toggle} onKeyDown={(e) => (e.key === "Enter" || e.key === " ") && (e.preventDefault(), toggle())}>
      {named && <rect class="ring" x={n.x - 5} y={n.y - 5} width={n.width + 10} height={n.height + 10} rx="12" />}
      <rect class="box" x={n.x} y={n.y} width={n.width} height={n.height} rx="8">
        <title>{n.about}</title>
      </rect>
      <BoxText box={n} kind={n.kind} lines={moment ? linesThen(n, then, named) : lines(n)} />
    </g>
  );
}

const short = (s: string) => (s.length > 30 ? s.slice(0, 29) + "…" : s);

// lines are what stands in a box, in the words of the picture that pages link to.
function lines(n: CascadeNode): string[] {
  const out = [short(n.name)];
  switch (n.role) {
    case "CASCADE_ROLE_ORIGIN":
      out.push(n.probability >= 1 ? "origin" : `probable origin, ${percent(n.probability)}`);
      break;
    case "CASCADE_ROLE_SUSPECT":
      out.push(`or this one, ${percent(n.probability)}`);
      break;
    case "CASCADE_ROLE_PASSED":
      out.push("passed in silence");
      break;
    case "CASCADE_ROLE_CLEARED":
      out.push("✓ its checks pass");
      break;
    case "CASCADE_ROLE_NEXT":
      out.push("may be next");
      break;
    default:
      out.push(`${severityWord(n.severity)}, ${n.order === 1 ? "first to alert" : `+${span(seconds(n.after ?? "0s") * 1000)}`}`);
  }
  if (n.alerts > 0) out.push(n.firing === n.alerts ? plural(n.alerts, "alert") : `${n.firing} of ${plural(n.alerts, "alert")}`);
  else if (n.role === "CASCADE_ROLE_ORIGIN") out.push("no alert of its own");
  if (n.role === "CASCADE_ROLE_HIT" && n.probability >= 0.05) out.push(`or the origin, ${percent(n.probability)}`);
  if (n.places.length > 0) out.push(short(`on ${n.places.join(", ")}`));
  return out;
}

function linesThen(n: CascadeNode, then: { firing: number; begun: number } | undefined, named: boolean): string[] {
  const out = [short(n.name)];
  if (named) out.push("named as the origin");
  if (then) out.push(then.firing > 0 ? `${plural(then.firing, "alert")} firing` : "its alerts ended");
  else if (!named) out.push(n.role === "CASCADE_ROLE_CLEARED" ? "✓ its checks pass" : "nothing yet");
  return out;
}

const edgeKinds: Record<string, string> = { starvation: "no traffic", depends: "", "runs-on": "" };

function Edge({ of: e, down, dim }: { of: CascadeEdge; down: boolean; dim: boolean }) {
  if (e.points.length < 2) return null;
  const end = e.points.at(-1)!;
  const before = e.points.at(-2)!;
  const delay = e.delay && seconds(e.delay) > 0 ? `+${span(seconds(e.delay) * 1000)}` : "";
  const label = e.link === "CASCADE_LINK_TOOK" ? [edgeKinds[e.kind] ?? e.kind, delay].filter(Boolean).join(" ") : "";
  const beside = down
    ? { x: end.x + (before.x <= end.x ? 8 : -8), y: end.y - 11, anchor: before.x <= end.x ? "start" : "end" }
    : { x: end.x - 11, y: before.y < end.y ? end.y + 14 : end.y - 6, anchor: "end" };
  return (
    <g class={`edge ${link(e.link)}${dim ? " dim" : ""}`}>
      <path class="line" d={curve(e.points, down)} />
      <path class="tip" d={tip(e.points, down)} />
      {label && (
        <text class="delay" x={beside.x} y={beside.y} text-anchor={beside.anchor}>
          {label}
        </text>
      )}
    </g>
  );
}

const legendOf: [string, "box" | "line", string][] = [
  ["origin", "box", "probable origin"],
  ["hit", "box", "hit"],
  ["passed", "box", "passed in silence"],
  ["suspect", "box", "could also be the origin"],
  ["cleared", "box", "works: its checks pass"],
  ["next", "box", "may be hit next"],
  ["took", "line", "the way it took"],
  ["suspect", "line", "the way it would have taken"],
  ["depends", "line", "depends on it, explains nothing"],
  ["possible", "line", "could go on here"],
];

// Legend explains what this picture has.
export function Legend({ of: c }: { of: Cascade }) {
  const has = (name: string, shape: string) => (shape === "box" ? c.nodes.some((n) => role(n.role) === name) : c.edges.some((e) => link(e.link) === name));
  return (
    <ul class="legend" aria-label="Legend">
      {legendOf
        .filter(([name, shape]) => has(name, shape))
        .map(([name, shape, text]) => (
          <li key={name + shape}>
            <svg viewBox="0 0 30 16" aria-hidden="true">
              {shape === "box" ? (
                <g class={`node ${name}`}>
                  <rect class="box" x="2" y="2" width="26" height="12" rx="3" />
                </g>
              ) : (
                <g class={`edge ${name}`}>
                  <path class="line" d="M1 8H24" />
                  <path class="tip" d="M21 4L29 8L21 12Z" />
                </g>
              )}
            </svg>
            {text}
          </li>
        ))}
    </ul>
  );
}


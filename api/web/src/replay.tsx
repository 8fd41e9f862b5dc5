// How an incident grew: a slider over its time, and what was known at a moment.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Icon } from "./parts";
import { now } from "./store";
import type { Alert, Incident } from "./wire";
import { clock, endedAt, isOpen, millis, plural, refName, span, spokenSpan } from "./words";

// Moment is an incident as it was at a time.
export interface Moment {
  at: number;
  // byService holds the services that had alerted by then.
  byService: Map<string, { begun: number; firing: number }>;
  begun: number;
  firing: number;
  // origin is the service that Headwater named then, as its timeline has it; empty: none yet.
  origin: string;
  probability: string;
}

export function momentAt(i: Incident, alerts: Alert[], at: number): Moment {
  const m: Moment = { at, byService: new Map(), begun: 0, firing: 0, origin: "", probability: "" };
  for (const a of alerts) {
    if (millis(a.started_at) > at) continue;
    const fires = !a.ended_at || millis(a.ended_at) > at;
    const name = refName(a.service);
    const s = m.byService.get(name) ?? { begun: 0, firing: 0 };
    m.byService.set(name, { begun: s.begun + 1, firing: s.firing + (fires ? 1 : 0) });
    m.begun++;
    if (fires) m.firing++;
  }
  for (const e of i.timeline) {
    if (millis(e.at) > at) break;
    const named = /(?:probable origin is now|opened:|origin set to) (\S+?)(?: \((\d+ %|[<>]\d+ %)\))?(?:,| \(|$)/.exec(e.text);
    if (named && (e.kind === "TIMELINE_KIND_ORIGIN" || (e.kind === "TIMELINE_KIND_OPENED" && !m.origin))) {
      m.origin = named[1]!.split("/").at(-1)!;
      m.probability = named[2] ?? "";
    }
  }
  return m;
}

// playedIn is how long a replay takes, however long the incident did.
const playedIn = 14_000;

export function Replay({ of: i, alerts, at, moment, onAt }: { of: Incident; alerts: Alert[]; at: number | undefined; moment?: Moment; onAt: (at: number | undefined) => void }) {
  const from = Math.min(...alerts.map((a) => millis(a.started_at)), millis(i.started_at) || Infinity);
  const until = Math.max(millis(endedAt(i)) || now(), from + 60_000, ...alerts.map((a) => millis(a.started_at)));
  const step = Math.max(1000, Math.round((until - from) / 600 / 1000) * 1000);
  const [playing, play] = useState(false);
  const value = at ?? until;
  const current = useRef(value);
  current.current = value;
  useEffect(() => {
    if (!playing) return;
    let frame = 0;
    let last = performance.now();
    let position = current.current >= until - step ? from : current.current;
    const draw = (t: number) => {
      position += ((t - last) / playedIn) * (until - from);
      last = t;
      if (position >= until) {
        onAt(undefined);
        play(false);
        return;
      }
      onAt(position);
      frame = requestAnimationFrame(draw);
    };
    frame = requestAnimationFrame(draw);
    return () => cancelAnimationFrame(frame);
  }, [playing]);
  const slide = (v: number) => {
    play(false);
    onAt(v >= until - step ? undefined : v);
  };
  const says = moment ? told(moment, from) : isOpen(i) ? "now" : "all of it";
  return (
    <div class="replay">
      <button type="button" class="play" aria-label={playing ? "Pause" : "Replay how it grew"} onClick={() => play(!playing)}>
        <Icon name={playing ? "pause" : "play"} />
      </button>
      <div class="track">
        <Histogram alerts={alerts} from={from} until={until} at={value} />
        <input type="range" aria-label="Time" aria-valuetext={says} min={from} max={until} step={step} value={value} onInput={(e) => slide(Number(e.currentTarget.value))} />
      </div>
      <p class="moment" aria-hidden="true">
        {moment ? (
          <>
            <b>{clock(moment.at)}</b> {says}
          </>
        ) : (
          <span class="faint">{isOpen(i) ? "as it is now; slide to see how it grew" : "all of it; slide to see how it grew"}</span>
        )}
      </p>
    </div>
  );
}

function told(m: Moment, from: number): string {
  const services = [...m.byService.values()].filter((s) => s.firing > 0).length;
  const grown = `${span(m.at - from)} in: ${plural(m.firing, "alert")} firing on ${plural(services, "service")}`;
  return m.origin ? `${grown}; ${m.origin} named${m.probability && ` (${m.probability})`}` : grown;
}

// barHeight shows a single alert beside a flood, too.
const barHeight = (n: number, most: number) => 6 + (n / most) * 32;

// bins is how finely alerts are counted along the slider.
const bins = 80;

function Histogram({ alerts, from, until, at }: { alerts: Alert[]; from: number; until: number; at: number }) {
  const counts = useMemo(() => {
    const out = new Array<number>(bins).fill(0);
    for (const a of alerts) {
      const n = Math.min(bins - 1, Math.max(0, Math.floor(((millis(a.started_at) - from) / (until - from)) * bins)));
      out[n]!++;
    }
    return out;
  }, [alerts, from, Math.round(until / 5000)]);
  const most = Math.max(1, ...counts);
  const reached = ((at - from) / (until - from)) * bins;
  return (
    <svg class="histogram" viewBox={`0 0 ${bins * 10} 40`} preserveAspectRatio="none" role="img" aria-label={`${plural(alerts.length, "alert")} over ${spokenSpan(until - from)}`}>
      {counts.map((n, x) => n > 0 && <rect key={x} class={x <= reached ? "past" : "later"} x={x * 10 + 1} width="8" y={40 - barHeight(n, most)} height={barHeight(n, most)} />)}
    </svg>
  );
}

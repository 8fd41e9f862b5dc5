// A graph that was laid out by the server: boxes and the ways between them.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ServiceKind } from "./wire";
import { kindWord } from "./words";

export interface Place {
  x: number;
  y: number;
}

export interface Box extends Place {
  width: number;
  height: number;
}

// curve is a way with its turns rounded: a piece that changes lanes leaves and arrives in
// the direction of the layers.
export function curve(points: Place[], down: boolean): string {
  const [first, ...rest] = points;
  if (!first) return "";
  let d = `M${first.x} ${first.y}`;
  let p = first;
  for (const q of rest) {
    if (p.x === q.x || p.y === q.y) d += `L${q.x} ${q.y}`;
    else if (down) d += `C${p.x} ${(p.y + q.y) / 2} ${q.x} ${(p.y + q.y) / 2} ${q.x} ${q.y}`;
    else d += `C${(p.x + q.x) / 2} ${p.y} ${(p.x + q.x) / 2} ${q.y} ${q.x} ${q.y}`;
    p = q;
  }
  return d;
}

// tip is the point of an arrow at the end of a way.
export function tip(points: Place[], down: boolean): string {
  const end = points.at(-1);
  const before = points.at(-2);
  if (!end || !before) return "";
  const back = 8 * Math.sign((down ? before.y - end.y : before.x - end.x) || -1);
  const [ax, ay, bx, by] = down ? [end.x - 4, end.y + back, end.x + 4, end.y + back] : [end.x + back, end.y - 4, end.x + back, end.y + 4];
  return `M${ax} ${ay}L${end.x} ${end.y}L${bx} ${by}Z`;
}

const kindDrawings: Record<string, string> = {
  service: "M3 3h10v10H3z",
  frontend: "M1.5 3h13v10h-13zM1.5 6h13",
  api: "M8 1.8l5.4 3.1v6.2L8 14.2l-5.4-3.1V4.9z",
  worker: "M8 4.8a3.2 3.2 0 1 0 0 6.4 3.2 3.2 0 0 0 0-6.4zM8 1.5v1.8M8 12.7v1.8M1.5 8h1.8M12.7 8h1.8",
  database: "M2.8 4.2c0-1.3 2.3-2.2 5.2-2.2s5.2.9 5.2 2.2v7.6c0 1.3-2.3 2.2-5.2 2.2s-5.2-.9-5.2-2.2zM2.8 4.2c0 1.3 2.3 2.2 5.2 2.2s5.2-.9 5.2-2.2",
  cache: "M9.2 1.8L3.4 9h3.8l-.6 5.2L12.6 7H8.8z",
  queue: "M1.5 5h13v6h-13zM5.8 5v6M10.2 5v6",
  external: "M4.6 12.4a3 3 0 0 1-.3-6 4.1 4.1 0 0 1 7.8-.5 3.3 3.3 0 0 1-.6 6.5z",
  host: "M2 2.5h12v4.6H2zM2 8.9h12v4.6H2z",
  zone: "M8 1.8A4.4 4.4 0 0 0 3.6 6.2C3.6 9.5 8 14.2 8 14.2s4.4-4.7 4.4-8A4.4 4.4 0 0 0 8 1.8z",
  cluster: "M2 2h5v5H2zM9 2h5v5H9zM2 9h5v5H2zM9 9h5v5H9z",
};

// BoxText is what stands in a box: what kind it is as a drawing, a name, and lines of facts.
export function BoxText({ box, kind, lines }: { box: Box; kind: ServiceKind; lines: string[] }) {
  return (
    <>
      <path class="kind" transform={`translate(${box.x + 12} ${box.y + box.height / 2 - 8})`} d={kindDrawings[kindWord(kind)] ?? kindDrawings["service"]!} />
      {lines.map((line, n) => (
        <text key={n} class={n === 0 ? "name" : "small"} x={box.x + 38} y={box.y + 19 + n * 15}>
          {line}
        </text>
      ))}
    </>
  );
}

// margin is around all that is drawn, for rings and labels.
const margin = 14;

// leastScale is the smallest at which the words in boxes can be read. Below it the picture scrolls.
const leastScale = 0.72;

// largestScale lets pictures grow with the text around them, on walls of pixels.
const largestScale = () => Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 15;

// useWidth is how wide an element is, kept current.
export function useWidth() {
  const ref = useRef<HTMLDivElement>(null);
  const [width, set] = useState(0);
  useEffect(() => {
    const watch = new ResizeObserver(([e]) => set(Math.round(e!.contentRect.width)));
    watch.observe(ref.current!);
    return () => watch.disconnect();
  }, []);
  return { ref, width };
}

// runsDown says whether a picture of this width is to run from top to bottom there.
export const runsDown = (pictureWidth: number, roomWidth: number) => pictureWidth + 2 * margin > roomWidth / leastScale;

export function Picture(p: { width: number; height: number; label: string; room: number; children: ComponentChildren; class?: string }) {
  const width = p.width + 2 * margin;
  const height = p.height + 2 * margin;
  const fit = Math.min(largestScale(), Math.max(leastScale, p.room / width));
  const [zoom, setZoom] = useState(1);
  const scale = fit * zoom;
  const step = (by: number) => setZoom((z) => Math.min(3, Math.max(0.3, z * by)));
  return (
    <div class={`picture ${p.class ?? ""}`}>
      <div class="picture-scroll" tabIndex={0} role="group" aria-label={p.label}>
        <svg viewBox={`${-margin} ${-margin} ${width} ${height}`} width={width * scale} height={height * scale}>
          {p.children}
        </svg>
      </div>
      {(width * fit > p.room + 1 || zoom !== 1 || p.height > 900) && (
        <div class="zoom" role="group" aria-label="Zoom">
          <button type="button" aria-label="Larger" onClick={() => step(1.25)}>
            +
          </button>
          <button type="button" aria-label="Smaller" onClick={() => step(0.8)}>
            −
          </button>
          <button type="button" onClick={() => setZoom(Math.min(1, p.room / (width * fit)))}>
            fit
          </button>
        </div>
      )}
    </div>
  );
}

// State outside of components: a value that can be looked at and that says when it changed.
import { useEffect, useReducer, useRef, useState } from "preact/hooks";

// Cell holds a value. Who listens is told of changes once for each frame at most, and not
// more often than each pause, in milliseconds: fifty changes a second nobody can read.
export class Cell<T> {
  private listeners = new Set<() => void>();
  private due = false;
  private told = 0;

  constructor(
    private value: T,
    private pause = 0,
  ) {}

  get(): T {
    return this.value;
  }

  set(value: T) {
    if (Object.is(value, this.value)) return;
    this.value = value;
    if (this.due) return;
    this.due = true;
    // A hidden page gets no frames, and must not fall behind for it.
    const tell = () => {
      if (!this.due) return;
      this.due = false;
      this.told = performance.now();
      for (const l of [...this.listeners]) l();
    };
    const wait = Math.max(0, this.told + this.pause - performance.now());
    if (wait === 0) requestAnimationFrame(tell);
    else setTimeout(() => requestAnimationFrame(tell), wait);
    setTimeout(tell, wait + 250);
  }

  listen(l: () => void): () => void {
    this.listeners.add(l);
    return () => this.listeners.delete(l);
  }
}

// useCell is a cell's value; the component is drawn again when that changes.
export function useCell<T>(cell: Cell<T>): T {
  const [, again] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const shown = cell.get();
    const stop = cell.listen(() => again(0));
    if (!Object.is(shown, cell.get())) again(0);
    return stop;
  }, [cell]);
  return cell.get();
}

// remembered keeps a text of this browser; nothing when that is forbidden.
export const remembered = {
  get(key: string): string {
    try {
      return localStorage.getItem("headwater." + key) ?? "";
    } catch {
      return "";
    }
  },
  set(key: string, value: string) {
    try {
      if (value) localStorage.setItem("headwater." + key, value);
      else localStorage.removeItem("headwater." + key);
    } catch {
      // It holds for this page alone.
    }
  },
};

// skew is how far the server's clock is ahead of ours, in milliseconds. A phone that is
// two minutes off must not say that an incident began in the future.
let skew = 0;

export function learnClock(date: string | null, asked: number, answered: number) {
  const server = Date.parse(date ?? "");
  if (Number.isNaN(server)) return;
  const off = server - (asked + answered) / 2;
  skew = Math.abs(off) > 2500 ? off : 0;
}

export const now = () => Date.now() + skew;

const second = new Cell(0);
setInterval(() => {
  if (!document.hidden) second.set(Math.floor(now() / 1000));
}, 1000);

// useNow is the time, in milliseconds, drawn anew each second.
export function useNow(): number {
  useCell(second);
  return now();
}

// useTicking is what a function makes of the time. The component is drawn anew only when that
// changes: of five hundred ages few change in a second.
export function useTicking(of: (now: number) => string): string {
  const [, again] = useReducer((n: number) => n + 1, 0);
  const text = of(now());
  const latest = useRef({ of, text });
  latest.current = { of, text };
  useEffect(() => second.listen(() => latest.current.of(now()) !== latest.current.text && again(0)), []);
  return text;
}

// Loaded is something that is asked for.
export interface Loaded<T> {
  data?: T;
  error?: Error;
  // busy: it is being asked for. What was there before stays meanwhile.
  busy: boolean;
}

// useLoaded asks when the component appears and whenever one of deps changes. Of several
// answers under way the latest question's counts.
export function useLoaded<T>(ask: (signal: AbortSignal) => Promise<T>, deps: unknown[]): Loaded<T> & { again: () => void } {
  const [state, set] = useState<Loaded<T>>({ busy: true });
  const [round, again] = useReducer((n: number) => n + 1, 0);
  const key = useRef(deps[0]);
  useEffect(() => {
    const stop = new AbortController();
    const fresh = key.current !== deps[0];
    key.current = deps[0];
    set((s) => (fresh ? { busy: true } : { ...s, busy: true }));
    ask(stop.signal).then(
      (data) => !stop.signal.aborted && set({ data, busy: false }),
      (error: Error) => !stop.signal.aborted && set((s) => ({ ...s, error, busy: false })),
    );
    return () => stop.abort();
  }, [...deps, round]);
  return { ...state, again: () => again(0) };
}

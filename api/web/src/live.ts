// The watch: what is open, kept current. It comes back by itself when the connection
// breaks, and goes on where it was.
import { Failure, request } from "./api";
import { Cell, now } from "./store";
import type { Incident, WatchIncidentsResponse } from "./wire";

// Link is how it is with the connection.
export type Link =
  | { state: "connecting" }
  | { state: "live" }
  // Nothing came for long although the server should have said something.
  | { state: "stale"; since: number }
  | { state: "broken"; since: number; why: string; retryAt: number }
  // The server is up and not ready yet.
  | { state: "starting"; why: string; retryAt: number };

// Incidents are those that were seen, by id. The map is replaced, never changed.
export interface Incidents {
  byId: ReadonlyMap<string, Incident>;
  // complete: all that are open are in it.
  complete: boolean;
  // Stream position that it stands for.
  revision: string;
}

export const link = new Cell<Link>({ state: "connecting" });
export const incidents = new Cell<Incidents>({ byId: new Map(), complete: false, revision: "0" }, 120);

// heartbeat is after how much silence the server says something.
const heartbeat = 15_000;
// silence is when a connection that says nothing is said to be stale, and given up a
// heartbeat later: nobody may be at its other end any more.
const silence = 2 * heartbeat + 5_000;
// overRemembered bounds how many incidents that are over stay; a wall display runs for weeks.
const overRemembered = 500;
// hiddenGrace is after how long a page that nobody sees gives up its connection: browsers
// allow six of them to one server.
const hiddenGrace = 60_000;

// outOfRange is what gRPC calls a revision that the server has not reached, ahead is our word for it.
const outOfRange = 11;
const ahead = 416;

let abort: AbortController | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;
let attempt = 0;
// asked is when the present connection was asked for, heard when the server last said something.
let asked = 0;
let heard = 0;
let brokenSince = 0;

// start follows the server until the page is closed.
export function start() {
  connect();
  setInterval(watchSilence, 1000);
  let hiding: ReturnType<typeof setTimeout> | undefined;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) {
      hiding = setTimeout(() => abort?.abort(), hiddenGrace);
    } else {
      retryNow();
    }
  });
  addEventListener("online", retryNow);
}

// retryNow does not wait for the next attempt.
export function retryNow() {
  if (abort) return;
  clearTimeout(timer);
  connect();
}

function watchSilence() {
  const quiet = now() - Math.max(asked, heard);
  if (!abort || quiet <= silence) return;
  if (link.get().state === "live") link.set({ state: "stale", since: heard });
  if (quiet > silence + heartbeat) abort.abort(new Failure("The server was silent for too long.", 0));
}

async function connect() {
  const mine = (abort = new AbortController());
  asked = now();
  try {
    const { revision } = incidents.get();
    const r = await request("incidents:watch", { revision: revision === "0" ? undefined : revision }, { signal: mine.signal });
    heard = now();
    await read(r.body!);
    throw new Failure("The server ended the connection.", 0);
  } catch (e) {
    abort = undefined;
    if (document.hidden && mine.signal.aborted) return; // comes back when somebody looks
    lost(mine.signal.aborted ? (mine.signal.reason as Error) : (e as Error));
  }
}

function lost(e: Error) {
  const status = e instanceof Failure ? e.status : 0;
  // The server's past is not the one we know: it was set up anew. Begin again.
  if (status === ahead) incidents.set({ byId: new Map(), complete: false, revision: "0" });
  const wait = Math.min(15_000, 500 * 2 ** attempt) * (0.8 + Math.random() * 0.4);
  attempt++;
  const retryAt = now() + wait;
  if (!brokenSince) brokenSince = heard || now();
  if (status === 503) link.set({ state: "starting", why: e.message, retryAt });
  else link.set({ state: "broken", since: brokenSince, why: e.message, retryAt });
  timer = setTimeout(connect, wait);
}

async function read(body: ReadableStream<Uint8Array>) {
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line) take(JSON.parse(line));
  }
}

function take(line: { result?: WatchIncidentsResponse; error?: { message: string; code: number } }) {
  if (line.error) throw new Failure(line.error.message, line.error.code === outOfRange ? ahead : 0);
  heard = now();
  attempt = 0;
  brokenSince = 0;
  link.set({ state: "live" });
  if (line.result) apply(line.result);
}

function apply(w: WatchIncidentsResponse) {
  const was = incidents.get();
  const caughtUp = was.complete || w.heartbeat || w.revision !== "0";
  if (w.incidents.length === 0) {
    incidents.set({ ...was, complete: caughtUp, revision: w.revision === "0" ? was.revision : w.revision });
    return;
  }
  const byId = new Map(was.byId);
  for (const i of w.incidents) byId.set(i.id, i);
  forget(byId);
  incidents.set({ byId, complete: caughtUp, revision: w.revision === "0" ? was.revision : w.revision });
}

// known takes in what a command was answered with; the watch may be a moment behind.
export function known(i: Incident) {
  const was = incidents.get();
  const had = was.byId.get(i.id);
  if (had && Number(had.revision) > Number(i.revision)) return;
  incidents.set({ ...was, byId: new Map(was.byId).set(i.id, i) });
}

function forget(byId: Map<string, Incident>) {
  const over = [...byId.values()].filter((i) => i.state !== "INCIDENT_STATE_OPEN");
  if (over.length <= overRemembered) return;
  over.sort((a, b) => Number(a.revision) - Number(b.revision));
  for (const i of over.slice(0, over.length - overRemembered)) byId.delete(i.id);
}

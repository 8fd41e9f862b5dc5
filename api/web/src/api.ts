// The REST API, as everybody else has it.
import { learnClock, remembered } from "./store";

// root is where the server's own paths begin, whatever a proxy has before them.
const root = document.baseURI;

// Failure is what the server answered instead, or that it did not answer.
export class Failure extends Error {
  constructor(
    message: string,
    // HTTP's status; 0: there was no answer.
    readonly status: number,
    // Of google.rpc.ErrorInfo, where there is one.
    readonly details: Record<string, string> = {},
  ) {
    super(message);
  }

  // conflict: it has changed since it was looked at.
  get conflict(): boolean {
    return this.status === 409;
  }
}

async function failure(r: Response): Promise<Failure> {
  const text = await r.text().catch(() => "");
  try {
    const status = JSON.parse(text) as { message?: string; details?: { metadata?: Record<string, string> }[] };
    const info = status.details?.find((d) => d.metadata)?.metadata ?? {};
    return new Failure(status.message || `HTTP ${r.status}`, r.status, info);
  } catch {
    return new Failure(text.trim().slice(0, 300) || `HTTP ${r.status} ${r.statusText}`, r.status);
  }
}

export type Query = Record<string, string | number | boolean | string[] | undefined>;

function address(path: string, query: Query = {}): URL {
  const u = new URL("api/v1/" + path, root);
  for (const [key, value] of Object.entries(query)) {
    if (Array.isArray(value)) for (const v of value) u.searchParams.append(key, v);
    else if (value !== undefined && value !== "") u.searchParams.set(key, String(value));
  }
  return u;
}

// request sends one request; what is not an answer of 2xx is thrown as a Failure.
export async function request(path: string, query: Query = {}, init: RequestInit = {}): Promise<Response> {
  const asked = Date.now();
  let r: Response;
  try {
    r = await fetch(address(path, query), init);
  } catch (e) {
    if (init.signal?.aborted) throw e;
    throw new Failure("The server does not answer.", 0);
  }
  learnClock(r.headers.get("Date"), asked, Date.now());
  if (!r.ok) throw await failure(r);
  return r;
}

export async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  return (await request(path, query, signal ? { signal } : {})).json() as Promise<T>;
}

// send is a command. It has been applied when it is answered.
export async function send<T>(method: "POST" | "PATCH" | "PUT" | "DELETE", path: string, body: object): Promise<T> {
  const actor = remembered.get("actor");
  const r = await request(path, {}, {
    method,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(actor ? { ...body, actor } : body),
  });
  return r.json() as Promise<T>;
}

// quote writes a value of a filter.
export const quote = (s: string) => JSON.stringify(s);

// metrics reads what the server says of itself, for the names that are asked for.
export async function metrics(wanted: RegExp, signal?: AbortSignal): Promise<Sample[]> {
  const r = await fetch(new URL("metrics", root), signal ? { signal } : {});
  if (!r.ok) throw new Failure(`HTTP ${r.status}`, r.status);
  const out: Sample[] = [];
  for (const line of (await r.text()).split("\n")) {
    const m = /^([a-z_]+)(?:\{(.*)\})? (\S+)/.exec(line);
    if (m && wanted.test(m[1]!)) out.push({ name: m[1]!, labels: labels(m[2] ?? ""), value: Number(m[3]) });
  }
  return out;
}

// Sample is one line of the metrics.
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

function labels(text: string): Record<string, string> {
  const out: Record<string, string> = {};
  for (const m of text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) out[m[1]!] = m[2]!;
  return out;
}

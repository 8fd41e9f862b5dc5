// History: incidents that are over, with search.
import { useEffect, useState } from "preact/hooks";
import { get, quote } from "./api";
import { Choice, Rows, SearchBox } from "./list";
import { Empty, Trouble, Waiting, useTitle } from "./parts";
import { setQuery, usePlace } from "./route";
import type { Incident, ListIncidentsResponse } from "./wire";

const pageSize = 50;

// filterOf writes a search in the API's language. Words must all occur somewhere.
export function filterOf(text: string, sev: string, status: string): string {
  const all = ['state != "open"'];
  if (sev) all.push(`incident_severity <= ${quote(sev.toLowerCase())}`);
  if (status) all.push(`status = ${quote(status)}`);
  for (const w of text.split(/\s+/).filter(Boolean)) {
    all.push(/^INC-\d+$/i.test(w) ? `id = ${quote(w.toUpperCase())}` : `(headline : ${quote(w)} OR service : ${quote(w)} OR owner : ${quote(w)})`);
  }
  return all.join(" AND ");
}

export function HistoryView() {
  const { query } = usePlace();
  const text = query.get("q") ?? "";
  const sev = query.get("sev") ?? "";
  const status = query.get("status") ?? "";
  const filter = filterOf(text, sev, status);
  const [found, set] = useState<{ incidents: Incident[]; token: string; error?: Error; filter: string }>();
  const [busy, setBusy] = useState(false);
  useTitle("History");
  const ask = async (token: string, signal?: AbortSignal) => {
    setBusy(true);
    try {
      const r = await get<ListIncidentsResponse>("incidents", { filter, order_by: "started_at desc", page_size: pageSize, page_token: token }, signal);
      set((was) => ({ incidents: token && was ? [...was.incidents, ...r.incidents] : r.incidents, token: r.next_page_token, filter }));
    } catch (error) {
      if (!signal?.aborted) set((was) => ({ incidents: was?.incidents ?? [], token: "", error: error as Error, filter }));
    }
    setBusy(false);
  };
  useEffect(() => {
    const stop = new AbortController();
    // While somebody types, the server is left alone.
    const timer = setTimeout(() => void ask("", stop.signal), found ? 250 : 0);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [filter]);
  return (
    <main id="main">
      <header class="view-head">
        <h1>History</h1>
        <p class="summary">incidents that are over, the latest first</p>
      </header>
      <search class="filters">
        <SearchBox value={text} onInput={(q) => setQuery({ q })} label="Search headline, service, owner, id" />
        <Choice label="Severity" value={sev} all="any severity" of={["SEV1", "SEV2", "SEV3"]} onPick={(v) => setQuery({ sev: v })} />
        <Choice label="Status" value={status} all="any status" of={["resolved", "closed"]} onPick={(v) => setQuery({ status: v })} />
      </search>
      {found?.error && <Trouble what="The history cannot be shown" error={found.error} again={() => void ask("")} />}
      {!found && <Waiting what="the history" />}
      {found && found.incidents.length > 0 && <Rows of={found.incidents} label="Incidents that are over" />}
      {found && !found.error && found.incidents.length === 0 && <Empty title={text || sev || status ? "None matches" : "No incident is over yet"} />}
      {found?.token && (
        <p class="more-rows">
          <button type="button" disabled={busy} onClick={() => void ask(found.token)}>
            {busy ? "Loading…" : "More"}
          </button>
        </p>
      )}
    </main>
  );
}

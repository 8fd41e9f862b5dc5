// Action items of all incidents, by date.
import { useState } from "preact/hooks";
import { Failure, get, send } from "./api";
import { Choice } from "./list";
import { Empty, Icon, Trouble, Waiting, useTitle } from "./parts";
import { setQuery, to, usePlace } from "./route";
import { say } from "./shell";
import { now, useLoaded } from "./store";
import type { ActionItem, ActionStatus, ListActionItemsResponse } from "./wire";
import { actionPriorityWord, actionStatusWord, millis } from "./words";

const statuses: ActionStatus[] = ["ACTION_STATUS_OPEN", "ACTION_STATUS_IN_PROGRESS", "ACTION_STATUS_DONE", "ACTION_STATUS_DROPPED"];

export function ActionItemsView() {
  const { query } = usePlace();
  const show = query.get("show") ?? "";
  const filter = show === "all" ? "" : show === "overdue" ? "overdue = true" : "status <= in-progress";
  const items = useLoaded((signal) => get<ListActionItemsResponse>("action-items", { filter, order_by: "due", page_size: 500 }, signal), [filter]);
  useTitle("Action items");
  return (
    <main id="main">
      <header class="view-head">
        <h1>Action items</h1>
        <p class="summary">what is to be done so that it does not happen again</p>
      </header>
      <search class="filters">
        <Choice label="Which" value={show} all="to be done" of={["overdue", "all"]} onPick={(v) => setQuery({ show: v })} />
      </search>
      {items.error && <Trouble what="The action items cannot be shown" error={items.error} again={items.again} />}
      {!items.data && items.busy && <Waiting what="action items" />}
      {items.data?.action_items.length === 0 && <Empty title={show === "overdue" ? "Nothing is overdue" : "Nothing is to be done"} />}
      {items.data && items.data.action_items.length > 0 && (
        <ul class="cards-list">
          {items.data.action_items.map((a) => (
            <Item key={a.id} of={a} again={items.again} />
          ))}
        </ul>
      )}
    </main>
  );
}

function Item({ of: a, again }: { of: ActionItem; again: () => void }) {
  const [error, setError] = useState<Failure>();
  const [busy, setBusy] = useState(false);
  const change = async (status: string) => {
    setBusy(true);
    setError(undefined);
    try {
      await send("PATCH", `action-items/${a.id}`, { status, etag: a.revision });
      say(`${a.id} is ${actionStatusWord(status as ActionStatus)}`);
      again();
    } catch (e) {
      setError(e as Failure);
    }
    setBusy(false);
  };
  const overdue = a.due && !a.ended_at && millis(a.due) < now();
  return (
    <li class={`card item${a.ended_at ? " ended" : ""}`}>
      <p class="item-text">{a.text}</p>
      <p class="item-facts">
        <span class="id">{a.id}</span>
        {a.incident && <a {...to(`incidents/${a.incident}`)}>{a.incident}</a>}
        <span>
          <Icon name="person" /> {a.assignee || "nobody"}
        </span>
        <span>{actionPriorityWord(a.priority)}</span>
        {a.due && (
          <span class={overdue ? "overdue" : ""}>
            <Icon name={overdue ? "alert" : "clock"} /> due {a.due.slice(0, 10)}
            {overdue && ", overdue"}
          </span>
        )}
        <select aria-label={`Status of ${a.id}`} value={a.status} disabled={busy || a.archived} onChange={(e) => void change(e.currentTarget.value)}>
          {statuses.map((s) => (
            <option key={s} value={s}>
              {actionStatusWord(s)}
            </option>
          ))}
        </select>
      </p>
      {error && (
        <p class="refused" role="alert">
          <Icon name="alert" /> {error.conflict ? "It has changed since; nothing was done." : error.message}{" "}
          <button type="button" onClick={again}>
            Look again
          </button>
        </p>
      )}
    </li>
  );
}

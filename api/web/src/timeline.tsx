// What happened, in one list: what the systems did beside what people did.
import { useMemo, useState } from "preact/hooks";
import { Icon, type IconName, At } from "./parts";
import type { Incident, TimelineEntry, TimelineKind } from "./wire";
import { plural, timelineWord } from "./words";

const icons: Partial<Record<TimelineKind, IconName>> = {
  TIMELINE_KIND_NOTE: "note",
  TIMELINE_KIND_OPENED: "flag",
  TIMELINE_KIND_JOINED: "alert",
  TIMELINE_KIND_ORIGIN: "origin",
  TIMELINE_KIND_PAGE: "bell",
  TIMELINE_KIND_MERGED: "join",
  TIMELINE_KIND_ACKNOWLEDGED: "person",
  TIMELINE_KIND_RESOLVED: "check",
  TIMELINE_KIND_REOPENED: "history",
  TIMELINE_KIND_CHANGE: "change",
  TIMELINE_KIND_SPLIT: "split",
  TIMELINE_KIND_SEVERITY: "alert",
  TIMELINE_KIND_STATUS: "flag",
  TIMELINE_KIND_ROLE: "person",
  TIMELINE_KIND_UPDATE: "note",
  TIMELINE_KIND_PUBLIC_UPDATE: "note",
  TIMELINE_KIND_LINK: "link",
  TIMELINE_KIND_CLOSED: "check",
  TIMELINE_KIND_ACTION_ITEM: "todo",
};

// entry is a line's text. Many begin with the word for their kind.
export function entry(e: TimelineEntry): { kind: string; text: string } {
  const kind = timelineWord(e.kind);
  if (e.text === kind) return { kind, text: "" };
  if (e.text.startsWith(kind + " (")) return { kind, text: e.text.slice(kind.length) };
  return { kind, text: e.text.startsWith(kind + ": ") ? e.text.slice(kind.length + 2) : e.text };
}

export function Timeline({ of: i }: { of: Incident }) {
  const [people, setPeople] = useState(false);
  const [newestFirst, setNewestFirst] = useState(false);
  const shown = useMemo(() => {
    const list = bursts(i.timeline.filter((e) => !people || e.actor));
    return newestFirst ? list.toReversed() : list;
  }, [i.timeline, people, newestFirst]);
  return (
    <section class="card timeline" aria-labelledby="timeline">
      <header>
        <h2 id="timeline">Timeline</h2>
        <button type="button" class="chip" aria-pressed={people} onClick={() => setPeople(!people)}>
          people only
        </button>
        <button type="button" class="chip" aria-pressed={newestFirst} onClick={() => setNewestFirst(!newestFirst)}>
          newest first
        </button>
      </header>
      {shown.length === 0 && <p class="faint">{people ? "Nobody has said anything yet." : "Nothing yet."}</p>}
      <ol>
        {shown.map((e, n) => (
          <Entry key={`${e.at}${n}`} of={e} />
        ))}
      </ol>
      {people && i.timeline.length > shown.length && <p class="faint">{plural(i.timeline.length - shown.length, "entry").replace("entrys", "entries")} by Headwater not shown</p>}
    </section>
  );
}

// bursts makes one line of those that tell of nothing but alerts that joined, one after the other.
export function bursts(all: TimelineEntry[]): TimelineEntry[] {
  const out: TimelineEntry[] = [];
  for (const e of all) {
    const last = out.at(-1);
    if (last && isBurst(last) && isBurst(e)) out[out.length - 1] = { ...last, text: together(last.text, e.text) };
    else out.push(e);
  }
  return out;
}

// isBurst: of many services the text names some and counts the others; that cannot be added up.
const isBurst = (e: TimelineEntry) => e.kind === "TIMELINE_KIND_JOINED" && !e.actor && /^joined: (\S+ \(\d+ alerts?\)(, |$))+$/.test(e.text);

// together adds up "joined: web (2 alerts), cart (1 alert)" and another.
function together(a: string, b: string): string {
  const counts = new Map<string, number>();
  for (const text of [a, b]) {
    for (const m of text.replace(/^joined: /, "").matchAll(/(\S+) \((\d+) alerts?\)/g)) counts.set(m[1]!, (counts.get(m[1]!) ?? 0) + Number(m[2]));
  }
  return "joined: " + [...counts].map(([name, n]) => `${name} (${plural(n, "alert")})`).join(", ");
}

function Entry({ of: e }: { of: TimelineEntry }) {
  const { kind, text } = entry(e);
  return (
    <li class={`${kind}${e.actor ? " person" : ""}`}>
      <At at={e.at} />
      <Icon name={icons[e.kind] ?? "flag"} />
      <p>
        <b>{kind.replace("-", " ")}</b>
        {e.actor && (
          <span class="actor" title={e.source && `with ${e.source}`}>
            {" "}
            by {e.actor}
          </span>
        )}
        {text && <span class="text">{text}</span>}
      </p>
    </li>
  );
}

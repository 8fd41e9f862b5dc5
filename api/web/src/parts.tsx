// Small parts that every view is made of.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Failure } from "./api";
import { now, useTicking } from "./store";
import type { Incident, IncidentSeverity, Origin, Severity } from "./wire";
import { clock, endedAt, isOpen, millis, percent, plural, sevWord, severityWord, span, spokenSpan, standing, statusWord, when } from "./words";

// Icon is one of the drawings below. They say nothing to screen readers: words stand beside them.
export function Icon({ name }: { name: keyof typeof drawings }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d={drawings[name]} />
    </svg>
  );
}

const drawings = {
  check: "M3 8.5l3.2 3.2L13 4.8",
  cross: "M4 4l8 8M12 4l-8 8",
  alert: "M8 2.5l6 10.5H2zM8 6.5v3M8 11.3v.2",
  clock: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 5v3.2l2.2 1.4",
  person: "M8 8.2a2.6 2.6 0 1 0 0-5.2 2.6 2.6 0 0 0 0 5.2zM3.2 13.5c.5-2.7 2.3-4 4.8-4s4.3 1.3 4.8 4",
  note: "M3.5 2.5h9v8l-3 3h-6zM6 6h4M6 8.7h3",
  link: "M6.5 9.5l3-3M7.5 4.5l1-1a2.8 2.8 0 0 1 4 4l-1 1M8.5 11.5l-1 1a2.8 2.8 0 0 1-4-4l1-1",
  bell: "M8 2.5c-2.4 0-3.8 1.8-3.8 4.2 0 3-1.2 3.8-1.2 4.3h10c0-.5-1.2-1.3-1.2-4.3 0-2.4-1.4-4.2-3.8-4.2zM6.7 13.2c.3.5.7.8 1.3.8s1-.3 1.3-.8",
  origin: "M8 3.2a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6zM8 6.6a1.4 1.4 0 1 0 0 2.8 1.4 1.4 0 0 0 0-2.8z",
  join: "M3 4c4 0 3 4 6 4M3 12c4 0 3-4 6-4h4M11 5.8L13.2 8 11 10.2",
  split: "M3 8h4c3 0 2-4 6-4M7 8c3 0 2 4 6 4",
  change: "M3 8a5 5 0 0 1 8.5-3.5L13 6M13 2.8V6H9.8M13 8a5 5 0 0 1-8.5 3.5L3 10M3 13.2V10h3.2",
  flag: "M4 14V2.5M4 3h8l-2 3 2 3H4",
  copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.1 1.1M11.9 11.9L13 13M13 3l-1.1 1.1M4.1 11.9L3 13",
  moon: "M13 9.6A5.5 5.5 0 0 1 6.4 3a5.5 5.5 0 1 0 6.6 6.6z",
  list: "M5.5 4H14M5.5 8H14M5.5 12H14M2.3 4h.4M2.3 8h.4M2.3 12h.4",
  history: "M2.8 8a5.2 5.2 0 1 0 1.6-3.8L2.8 5.8M2.8 2.6v3.2H6M8 5.2V8l2 1.3",
  graph: "M4 5.6a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6zM12 9.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6zM4 14a1.8 1.8 0 1 0 0-3.6A1.8 1.8 0 0 0 4 14zM5.7 4.6l4.6 2.5M5.7 11.4l4.6-2.5",
  gear: "M8 5.8a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4zM8 1.8v2M8 12.2v2M1.8 8h2M12.2 8h2M3.6 3.6L5 5M11 11l1.4 1.4M12.4 3.6L11 5M5 11l-1.4 1.4",
  play: "M5 3.2l7.5 4.8L5 12.8z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  search: "M7 2.8a4.2 4.2 0 1 0 0 8.4 4.2 4.2 0 0 0 0-8.4zM10.2 10.2l3.3 3.3",
  todo: "M2.5 4.5l1.2 1.2L6 3.2M8 4.5h5.5M2.5 10.5l1.2 1.2L6 9.2M8 10.5h5.5",
  mute: "M3 6.2h2L8 3.5v9L5 9.8H3zM10.5 6.2l3 3.6M13.5 6.2l-3 3.6",
  doc: "M4 2.5h5.5L12.5 5.5v8H4zM9.3 2.5v3.2h3.2M6 8.2h4.5M6 10.8h3",
} as const;

export type IconName = keyof typeof drawings;

// Sev says how bad an incident is: a word, bars and a colour.
export function Sev({ of, over }: { of: IncidentSeverity; over?: boolean }) {
  const word = sevWord(of);
  if (!word) return <span class="sev none">no SEV</span>;
  const bars = 5 - Number(word.slice(3));
  return (
    <span class={`sev ${word.toLowerCase()}${over ? " over" : ""}`}>
      <svg viewBox="0 0 14 12" aria-hidden="true">
        {[0, 1, 2, 3].map((n) => (
          <rect key={n} x={n * 3.6} y={9 - n * 3} width="2.6" height={3 + n * 3} class={n < bars ? "on" : "off"} />
        ))}
      </svg>
      {word}
    </span>
  );
}

const severityShape: Record<string, string> = {
  critical: "M6 .8L11.2 6 6 11.2.8 6z",
  error: "M1.5 1.5h9v9h-9z",
  warning: "M6 1l5.2 9.6H.8z",
  info: "M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1z",
  none: "M2 6h8",
};

// AlertSeverity is the worst severity of alerts: a shape, a word and a colour.
export function AlertSeverity({ of, wordless }: { of: Severity; wordless?: boolean }) {
  const word = severityWord(of) || "none";
  return (
    <span class={`severity ${word}`}>
      <svg viewBox="0 0 12 12" aria-hidden="true">
        <path d={severityShape[word] ?? severityShape["none"]!} />
      </svg>
      <span class={wordless ? "unseen" : ""}>{word}</span>
    </span>
  );
}

// Probability is a bar and a figure.
export function Probability({ of, quiet }: { of: number; quiet?: boolean }) {
  return (
    <span class={`probability${quiet ? " quiet" : ""}`}>
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect class="ground" width="100" height="8" />
        <rect class="bar" width={Math.max(1, of * 100)} height="8" />
      </svg>
      <span class="figure">{percent(of)}</span>
    </span>
  );
}

// Ago is how long ago something was, kept current.
export function Ago({ at, until }: { at?: string | undefined; until?: string | undefined }) {
  const from = millis(at);
  const to = millis(until);
  const ms = (time: number) => (until ? to : time) - from;
  const text = useTicking((time) => span(ms(time)));
  if (!at) return <span>-</span>;
  return (
    <time dateTime={at} title={when(at)}>
      {text}
      <span class="unseen"> ({spokenSpan(ms(now()))})</span>
    </time>
  );
}

// At is a moment's time of day, the whole of it on hovering.
export const At = ({ at }: { at?: string | undefined }) => (
  <time class="at" dateTime={at ?? ""} title={when(at)}>
    {clock(at)}
  </time>
);

// Standing is where an incident stands.
export function Standing({ of }: { of: Incident }) {
  const word = standing(of);
  return <span class={`standing ${isOpen(of) ? statusWord(of.status) : "over"}`}>{word}</span>;
}

// Spark is how an incident grew: alerts, by when the service that they are on began to alert.
export function Spark({ of }: { of: Incident }) {
  const width = 120;
  const height = 26;
  const begun = of.services.filter((s) => s.alerts > 0 && s.since).map((s) => ({ at: millis(s.since), n: s.alerts }));
  begun.sort((a, b) => a.at - b.at);
  if (begun.length === 0) return <svg class="spark" viewBox={`0 0 ${width} ${height}`} aria-hidden="true" />;
  const from = begun[0]!.at;
  const end = Math.max(millis(endedAt(of)) || now(), begun.at(-1)!.at + 1000, from + 60_000);
  const total = begun.reduce((n, b) => n + b.n, 0);
  const x = (t: number) => 2 + ((t - from) / (end - from)) * (width - 4);
  const y = (n: number) => height - 3 - (n / total) * (height - 7);
  let sum = 0;
  let line = `M2 ${height - 3}`;
  for (const b of begun) {
    line += `H${x(b.at).toFixed(1)}`;
    sum += b.n;
    line += `V${y(sum).toFixed(1)}`;
  }
  line += `H${width - 2}`;
  const label = `${plural(of.alerts, "alert")} on ${plural(begun.length, "service")}, the last of them hit ${spokenSpan(begun.at(-1)!.at - from)} after the first`;
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      <path class="area" d={`${line}V${height - 2}H2Z`} />
      <path class="line" d={line} />
      {isOpen(of) && <circle cx={width - 3} cy={y(sum)} r="2.4" />}
    </svg>
  );
}

// OriginName is a candidate, and whether it says something itself.
export function OriginName({ of }: { of?: Origin | undefined }) {
  if (!of) return <span class="origin-name">unknown</span>;
  return (
    <span class="origin-name">
      {of.service?.name}
      {of.silent && <span class="tag silent">silent</span>}
    </span>
  );
}

// Empty is what a view shows when there is nothing.
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <svg viewBox="0 0 160 60" aria-hidden="true">
        <path d="M4 14c30 0 34 16 60 16s30 0 92 0" />
        <path d="M4 46c30 0 34-16 60-16" />
        <path d="M4 30h60" />
        <circle cx="64" cy="30" r="3.5" />
      </svg>
      <h2>{title}</h2>
      {children}
    </div>
  );
}

// Waiting holds the place of what is being asked for.
export function Waiting({ what, rows = 5 }: { what: string; rows?: number }) {
  return (
    <div class="waiting" role="status">
      <span class="unseen">Loading {what}</span>
      {Array.from({ length: rows }, (_, n) => (
        <div key={n} class="bone" />
      ))}
    </div>
  );
}

// Trouble says what went wrong, and the way out.
export function Trouble({ what, error, again }: { what: string; error: Error; again?: () => void }) {
  const status = (error as Failure).status;
  return (
    <div class="trouble" role="alert">
      <Icon name="alert" />
      <div>
        <strong>{what}</strong>
        <p>{error.message}</p>
        {status === 401 && <p>The server asks for a password. Reload the page to be asked.</p>}
        {again && (
          <button type="button" onClick={again}>
            Try again
          </button>
        )}
      </div>
    </div>
  );
}

// Copy puts a text on the clipboard.
export function Copy({ text, what }: { text: string; what: string }) {
  const button = useRef<HTMLButtonElement>(null);
  const copy = async () => {
    const b = button.current!;
    try {
      await navigator.clipboard.writeText(text);
      b.dataset["done"] = "copied";
    } catch {
      // Without TLS browsers have no clipboard: select it, and Ctrl-C does the rest.
      const pre = b.parentElement?.querySelector("pre, code");
      if (pre) getSelection()?.selectAllChildren(pre);
      b.dataset["done"] = "selected";
    }
    setTimeout(() => delete b.dataset["done"], 2000);
  };
  return (
    <button type="button" class="copy" ref={button} onClick={copy} aria-label={`Copy ${what}`}>
      <Icon name="copy" />
    </button>
  );
}

// Code is text to paste.
export const Code = ({ text, what }: { text: string; what: string }) => (
  <div class="code">
    <pre tabIndex={0} aria-label={what}>{text}</pre>
    <Copy text={text} what={what} />
  </div>
);

// useTitle names the browser's tab.
export function useTitle(title: string) {
  useEffect(() => {
    document.title = title ? `${title} · Headwater` : "Headwater";
  }, [title]);
}

// Outside is a link that leads away. Only addresses that lead somewhere are links.
export function Outside({ href, children }: { href: string; children: ComponentChildren }) {
  if (!/^(https?|tel|sip|mailto|slack|msteams|zoommtg):/i.test(href)) return <span>{children}</span>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}

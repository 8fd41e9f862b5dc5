// The frame around every view: where one can go, how it is with the connection, keys.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Link, incidents, link, retryNow } from "./live";
import { Icon, type IconName } from "./parts";
import { go, to, usePlace } from "./route";
import { Cell, now, remembered, useCell, useNow } from "./store";
import { clock, isOpen, span } from "./words";

const views: { path: string; name: string; icon: IconName; key: string }[] = [
  { path: "", name: "Incidents", icon: "list", key: "i" },
  { path: "history", name: "History", icon: "history", key: "h" },
  { path: "action-items", name: "Action items", icon: "todo", key: "a" },
  { path: "topology", name: "Topology", icon: "graph", key: "t" },
  { path: "setup", name: "Set-up", icon: "gear", key: "s" },
];

export function Shell({ children }: { children: ComponentChildren }) {
  const [help, setHelp] = useState(false);
  useKeys(() => setHelp(true));
  return (
    <>
      <a class="skip" href={location.pathname + location.search + "#main"} onClick={skip}>
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" {...to("./")}>
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <g fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round">
              <path d="M4 7c6 0 6 9 11 9M4 16h11M4 25c6 0 6-9 11-9M15 16h8" />
            </g>
            <circle class="spring" cx="26" cy="16" r="4" />
          </svg>
          <span>Headwater</span>
        </a>
        <Nav />
        <LinkState />
        <ThemeSwitch />
        <button type="button" class="plain help-button" onClick={() => setHelp(true)} aria-label="Keys and help">
          ?
        </button>
      </header>
      <Banner />
      {children}
      <Said />
      {help && <Help close={() => setHelp(false)} />}
    </>
  );
}

function skip(e: Event) {
  e.preventDefault();
  const main = document.getElementById("main");
  main?.setAttribute("tabindex", "-1");
  main?.focus();
}

function Nav() {
  const { path } = usePlace();
  const open = [...useCell(incidents).byId.values()].filter(isOpen).length;
  const first = path.split("/")[0]!;
  return (
    <nav aria-label="Views">
      {views.map((v) => {
        const here = v.path === first || (v.path === "" && first === "incidents");
        return (
          <a key={v.path} {...to(v.path || "./")} aria-current={here ? "page" : undefined}>
            <Icon name={v.icon} />
            <span>{v.name}</span>
            {v.path === "" && open > 0 && <b class="count" aria-label={`${open} open`}>{open}</b>}
          </a>
        );
      })}
    </nav>
  );
}

const linkWords: Record<Link["state"], string> = { connecting: "connecting", live: "live", stale: "stale", broken: "not connected", starting: "starting" };

function LinkState() {
  const l = useCell(link);
  return (
    <span class={`link-state ${l.state}`} role="status">
      <svg viewBox="0 0 12 12" aria-hidden="true">
        {l.state === "live" ? <circle cx="6" cy="6" r="4" /> : l.state === "broken" ? <path d="M2 2l8 8M10 2l-8 8" /> : <path d="M6 1.5A4.5 4.5 0 1 1 1.5 6" />}
      </svg>
      <span>{linkWords[l.state]}</span>
    </span>
  );
}

// Banner says when what is shown is old, since when, and what is done about it.
export function Banner() {
  const l = useCell(link);
  return <BannerOf link={l} />;
}

// grace is how long a connection may be away before it is worth a banner.
const grace = 2500;

export function BannerOf({ link: l }: { link: Link }) {
  const time = useNow();
  if (l.state === "live" || l.state === "connecting") return null;
  if (l.state === "starting") {
    return (
      <p class="banner starting" role="status">
        <Icon name="clock" /> The server is starting: {l.why}
      </p>
    );
  }
  if (l.state === "broken" && time - l.since < grace) return null;
  return (
    <p class={`banner ${l.state}`} role="alert">
      <Icon name="alert" />
      <span>
        {l.state === "stale" ? "The connection is silent. " : `Not connected: ${l.why} `}
        What you see is as it was at <strong>{clock(l.since)} UTC</strong>, {span(time - l.since)} ago.
        {l.state === "broken" && ` Next attempt in ${span(l.retryAt - now())}.`}
      </span>
      {l.state === "broken" && (
        <button type="button" onClick={retryNow}>
          Try now
        </button>
      )}
    </p>
  );
}

function ThemeSwitch() {
  const system = () => (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
  const [theme, set] = useState(remembered.get("theme") || system());
  useEffect(() => {
    const light = matchMedia("(prefers-color-scheme: light)");
    const follow = () => !remembered.get("theme") && set(system());
    light.addEventListener("change", follow);
    return () => light.removeEventListener("change", follow);
  }, []);
  const other = theme === "dark" ? "light" : "dark";
  const change = () => {
    // What the system wants needs no remembering: it may change its mind at dusk.
    remembered.set("theme", other === system() ? "" : other);
    if (other === system()) delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = other;
    set(other);
  };
  return (
    <button type="button" class="plain theme" onClick={change} aria-label={`Switch to ${other}`}>
      <Icon name={other === "light" ? "sun" : "moon"} />
    </button>
  );
}

// said is what was just done, in a line that screen readers hear.
const said = new Cell<{ text: string; at: number } | undefined>(undefined);

export function say(text: string) {
  const mine = { text, at: Date.now() };
  said.set(mine);
  setTimeout(() => said.get() === mine && said.set(undefined), 6000);
}

function Said() {
  const s = useCell(said);
  return (
    <div class="said" role="status" aria-live="polite">
      {s && (
        <p key={s.at}>
          <Icon name="check" /> {s.text}
        </p>
      )}
    </div>
  );
}

// keys of the present view, beside those of all.
export const viewKeys = new Cell<Record<string, { does: string; run: () => void }>>({});

// useViewKeys makes keys of a view work while it is shown.
export function useViewKeys(keys: Record<string, { does: string; run: () => void }>) {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const bound = Object.fromEntries(Object.entries(keys).map(([k, v]) => [k, { does: v.does, run: () => latest.current[k]?.run() }]));
    viewKeys.set(bound);
    return () => viewKeys.set({});
  }, [Object.keys(keys).join()]);
}

function useKeys(showHelp: () => void) {
  useEffect(() => {
    let leading = 0;
    const press = (e: KeyboardEvent) => {
      const t = e.target as HTMLElement;
      if (e.metaKey || e.ctrlKey || e.altKey || document.querySelector("dialog[open]")) return;
      if (t.matches("input, textarea, select")) {
        if (e.key === "Escape") t.blur();
        return;
      }
      const afterG = Date.now() - leading < 1200;
      leading = 0;
      const view = views.find((v) => v.key === e.key);
      if (afterG && view) go(view.path || "./");
      else if (e.key === "g") leading = Date.now();
      else if (e.key === "?") showHelp();
      else if (e.key === "/") document.querySelector<HTMLInputElement>("[data-search]")?.focus();
      else if (e.key === "j" || e.key === "k") step(e.key === "j" ? 1 : -1);
      else if (e.key === "u") go("./");
      else if (viewKeys.get()[e.key]) viewKeys.get()[e.key]!.run();
      else return;
      e.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}

// step moves the focus along the rows; Enter then opens one, as on any link.
function step(by: number) {
  const rows = [...document.querySelectorAll<HTMLElement>("a.row")];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function Help({ close }: { close: () => void }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => box.current?.showModal(), []);
  const general: [string, string][] = [
    ["j k", "next, previous row"],
    ["Enter", "open it"],
    ["/", "search"],
    ["u", "up to the incidents"],
    ...views.map((v): [string, string] => [`g ${v.key}`, v.name]),
    ["?", "this"],
  ];
  const own = Object.entries(viewKeys.get()).map(([k, v]): [string, string] => [k, v.does]);
  return (
    <dialog ref={box} class="help" aria-labelledby="help-title" onClose={close}>
      <h2 id="help-title">Keys</h2>
      <dl>
        {[...own, ...general].map(([key, does]) => (
          <div key={key}>
            <dt>
              {key.split(" ").map((k) => (
                <kbd key={k}>{k}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p>
        Everything here can be done with <code>hwctl</code> and over the <a href="api/v1/incidents">API</a> as well, in the same words. Of Headwater itself: <a href="metrics">metrics</a>,{" "}
        <a href="-/ready">readiness</a>.
      </p>
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
    </dialog>
  );
}

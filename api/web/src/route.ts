// Where we are. Addresses are paths, so that they can be shared and pages can link to them.
import { Cell, useCell } from "./store";

// root is the dashboard's own "/", below whatever a proxy has before it.
const root = new URL(document.baseURI).pathname;

export interface Place {
  // path is relative to the root, without a slash at either end: "incidents/INC-1".
  path: string;
  query: URLSearchParams;
}

function current(): Place {
  const path = decodeURI(location.pathname).slice(root.length).replace(/\/+$/, "");
  return { path, query: new URLSearchParams(location.search) };
}

export const place = new Cell<Place>(current());

export function start() {
  // Slack's title of a page leads to "/#/alerts?receiver=…", as with an Alertmanager.
  if (location.hash.startsWith("#/")) history.replaceState(null, "", root);
  place.set(current());
  addEventListener("popstate", () => place.set(current()));
  document.addEventListener("click", (e) => {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const a = (e.target as Element).closest?.("a[href]") as HTMLAnchorElement | null;
    if (!a || a.target || a.hasAttribute("download") || a.origin !== location.origin || !a.dataset["nav"]) return;
    e.preventDefault();
    go(a.pathname.slice(root.length) + a.search);
  });
}

// go leads to another place.
export function go(to: string, how: "push" | "replace" = "push") {
  const url = new URL(to, document.baseURI);
  const moved = url.pathname !== location.pathname;
  history[how === "push" ? "pushState" : "replaceState"](null, "", url);
  place.set(current());
  if (moved && how === "push") scrollTo(0, 0);
}

// setQuery changes what the address says about the present place, and nothing else.
export function setQuery(changes: Record<string, string>) {
  const url = new URL(location.href);
  for (const [key, value] of Object.entries(changes)) {
    if (value) url.searchParams.set(key, value);
    else url.searchParams.delete(key);
  }
  history.replaceState(null, "", url);
  place.set(current());
}

export const usePlace = () => useCell(place);

// to are the props of a link within the dashboard.
export function to(path: string): { href: string; "data-nav": string } {
  return { href: new URL(path, document.baseURI).pathname + new URL(path, document.baseURI).search, "data-nav": "1" };
}

// The words of the dashboard: those of hwctl and of pages, for everything.
import type * as wire from "./wire";

// word is an enum's value as people write it: SEVERITY_CRITICAL is "critical".
function word(value: string | undefined, prefix: string): string {
  const w = (value ?? "").replace(prefix, "").toLowerCase().replaceAll("_", "-");
  return w === "unspecified" ? "" : w;
}

export const severityWord = (s?: wire.Severity) => word(s, "SEVERITY_");
export const stateWord = (s?: wire.IncidentState) => word(s, "INCIDENT_STATE_");
export const statusWord = (s?: wire.IncidentStatus) => word(s, "INCIDENT_STATUS_");
export const sevWord = (s?: wire.IncidentSeverity) => word(s, "INCIDENT_SEVERITY_").toUpperCase();
export const kindWord = (k?: wire.ServiceKind) => word(k, "SERVICE_KIND_") || "service";
export const fateWord = (k?: wire.FateKind) => word(k, "FATE_KIND_");
export const classWord = (c?: wire.AlertClass) => word(c, "ALERT_CLASS_");
export const timelineWord = (k?: wire.TimelineKind) => word(k, "TIMELINE_KIND_");
export const pageWord = (k?: wire.PageKind) => word(k, "PAGE_KIND_");
export const modeWord = (m?: wire.DependencyMode) => word(m, "DEPENDENCY_MODE_");
export const effectWord = (e?: wire.Effect) => word(e, "EFFECT_");
export const healthWord = (h?: wire.HealthStatus) => word(h, "HEALTH_STATUS_");
export const findingWord = (s?: wire.FindingSeverity) => word(s, "FINDING_SEVERITY_");
export const actionStatusWord = (s?: wire.ActionStatus) => word(s, "ACTION_STATUS_");
export const actionPriorityWord = (p?: wire.ActionPriority) => word(p, "ACTION_PRIORITY_");

// refName is "namespace/name", or the bare name. Every command accepts it.
export function refName(r?: wire.ServiceRef): string {
  if (!r) return "";
  return r.namespace ? `${r.namespace}/${r.name}` : r.name;
}

// bareName is for pictures and sentences, where the namespace is clear from around.
export const bareName = (r?: wire.ServiceRef) => r?.name ?? "";

// percent writes a probability as pages do: it never says 0 or 100.
export function percent(p: number): string {
  const n = Math.floor(p * 100 + 0.5);
  if (n < 1) return "<1 %";
  return n > 99 ? ">99 %" : `${n} %`;
}

export function plural(n: number, noun: string): string {
  return n === 1 ? `1 ${noun}` : `${n.toLocaleString("en")} ${noun}s`;
}

// span is a duration, in milliseconds, in its two largest units.
export function span(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m`;
  if (s < 86400) return `${Math.floor(s / 3600)}h${Math.floor((s % 3600) / 60)}m`;
  return `${Math.floor(s / 86400)}d${Math.floor((s % 86400) / 3600)}h`;
}

// spokenSpan is span for screen readers.
export function spokenSpan(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return plural(s, "second");
  if (s < 3600) return plural(Math.floor(s / 60), "minute");
  if (s < 86400) return plural(Math.floor(s / 3600), "hour");
  return plural(Math.floor(s / 86400), "day");
}

// seconds reads a protobuf duration, "40s" or "-1.5s".
export const seconds = (d: string) => Number.parseFloat(d);

export const millis = (t?: string) => (t ? Date.parse(t) : Number.NaN);

const pad = (n: number) => String(n).padStart(2, "0");

// clock is a moment's time of day in UTC, as everything of Headwater has it.
export function clock(t?: string | number): string {
  if (t === undefined || t === "") return "";
  const d = new Date(t);
  return `${pad(d.getUTCHours())}:${pad(d.getUTCMinutes())}:${pad(d.getUTCSeconds())}`;
}

// when is a moment in UTC, with its date.
export function when(t?: string | number): string {
  if (t === undefined || t === "") return "";
  const d = new Date(t);
  return `${d.getUTCFullYear()}-${pad(d.getUTCMonth() + 1)}-${pad(d.getUTCDate())} ${clock(t)} UTC`;
}

export const best = (i: wire.Incident): wire.Origin | undefined => i.origins[0];

// confident is from where pages name one origin.
export const confident = 0.5;

export const isOpen = (i: wire.Incident) => i.state === "INCIDENT_STATE_OPEN";

// headline is the incident's line in its parts, without the tag that a badge shows: what
// broke, the symptom, the reach.
export function headline(i: wire.Incident): { what: string; rest: string[] } {
  const [what = "", ...rest] = i.headline.replace(/^\[[A-Z0-9]+\] /, "").split(" · ");
  return { what, rest };
}

// standing is where it stands: how far people have come, or that it is over.
export function standing(i: wire.Incident): string {
  if (i.state === "INCIDENT_STATE_MERGED") return `merged into ${i.merged_into}`;
  return statusWord(i.status) || stateWord(i.state);
}

// holder is who has it.
export function holder(i: wire.Incident): string {
  return i.roles.find((r) => r.role === "incident-commander")?.assignee ?? i.acknowledgement?.actor ?? "";
}

// nobodyHas says that it waits for somebody, as paging sees it: nobody acknowledged it, and
// nobody set its status to one of those at work.
export const nobodyHas = (i: wire.Incident) => isOpen(i) && !holder(i) && !["investigating", "identified", "mitigating"].includes(statusWord(i.status));

// endedAt is when a resolved incident ended: as on pages, when its last alert did.
export function endedAt(i: wire.Incident): string | undefined {
  if (i.resolved_at && i.quiet_since) return i.quiet_since;
  return i.resolved_at;
}

// alertsOf is how many fire, and of how many. Of what is over none does, which goes without saying.
export function alertsOf(i: wire.Incident): string {
  return i.firing === i.alerts || !isOpen(i) ? plural(i.alerts, "alert") : `${i.firing} of ${plural(i.alerts, "alert")}`;
}

// delayWords is how long after its cause the effect of a step alerted.
export function delayWords(d?: string): string {
  const s = d ? seconds(d) : 0;
  if (s > 0) return `${Math.round(s)} s later`;
  return s < 0 ? `alerted ${Math.round(-s)} s earlier` : "";
}

// sevRank sorts SEV1 first; incidents older than such severities come last.
export function sevRank(s?: wire.IncidentSeverity): number {
  const n = Number(sevWord(s).replace("SEV", ""));
  return n || 9;
}

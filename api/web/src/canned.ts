// Canned data for the gallery: an outage of a small shop, and the states around it.
import type { Alert, Cascade, CascadeNode, Incident, ListFindingsResponse, ServiceImpact } from "./wire";

const start = Date.now() - 9 * 60_000;
const at = (seconds: number) => new Date(start + seconds * 1000).toISOString();
const ref = (name: string) => ({ namespace: "shop", name });

function impact(name: string, alerts: number, severity: ServiceImpact["severity"], since: number): ServiceImpact {
  return { service: ref(name), kind: "SERVICE_KIND_API", owner: "storefront", alerts, firing: alerts, severity, since: at(since), distance: 1, unexplained: 0 };
}

export function incident(changes: Partial<Incident> = {}): Incident {
  return {
    id: "INC-41",
    number: "41",
    state: "INCIDENT_STATE_OPEN",
    headline: "[SEV1] mysql is the probable origin (87 %) · shipping and ratings failing · 14 alerts on 3 services",
    title: "",
    severity: "SEVERITY_CRITICAL",
    started_at: at(0),
    opened_at: at(4),
    updated_at: at(300),
    origins: [
      {
        service: ref("mysql"),
        kind: "SERVICE_KIND_DATABASE",
        owner: "storage",
        probability: 0.87,
        silent: true,
        silence_cost: 0.5,
        reasons: [
          { text: "has no alert of its own; explains 14 of 14 alerts through ratings and shipping", weight: 5.1, term: "TERM_WAY" },
          { text: "ratings followed shipping by 5 min, as slow exhaustion does", weight: 0.9, term: "TERM_ORDER" },
          { text: "config of shipping 48h before the first symptom, which speaks for shipping", weight: -0.6, term: "TERM_CHANGE" },
        ],
      },
      { service: ref("shipping"), kind: "SERVICE_KIND_API", owner: "logistics", probability: 0.09, silent: false, silence_cost: 0, reasons: [{ text: "leaking client, would also explain it", weight: 0.6, term: "TERM_CLASS" }] },
      { service: ref("ratings"), kind: "SERVICE_KIND_API", owner: "storefront", probability: 0.01, silent: false, silence_cost: 0, reasons: [] },
    ],
    unknown_probability: 0.03,
    services: [impact("shipping", 8, "SEVERITY_CRITICAL", 12), impact("ratings", 5, "SEVERITY_CRITICAL", 320), impact("web", 1, "SEVERITY_WARNING", 380)],
    next_hit: [ref("payment"), ref("cart")],
    path: [],
    changes: [{ service: ref("shipping"), kind: "config", summary: "datasource: new connection pool", link: "https://deploys.example/1841", at: at(-172_800), source: "webhook" }],
    gaps: ["nothing watches mysql: it has never alerted and has no health check"],
    alerts: 14,
    firing: 14,
    truncated: 0,
    merged_into: "",
    merged: [],
    timeline: [
      { at: at(4), kind: "TIMELINE_KIND_OPENED", text: "opened: shipping (1 alert)", actor: "", source: "" },
      { at: at(34), kind: "TIMELINE_KIND_PAGE", text: "page (open): opened 30s ago, nobody paged yet", actor: "", source: "" },
      { at: at(60), kind: "TIMELINE_KIND_JOINED", text: "joined: shipping (7 alerts)", actor: "", source: "" },
      { at: at(325), kind: "TIMELINE_KIND_JOINED", text: "joined: ratings (5 alerts)", actor: "", source: "" },
      { at: at(325), kind: "TIMELINE_KIND_ORIGIN", text: "probable origin is now mysql (87 %), was shipping", actor: "", source: "" },
      { at: at(350), kind: "TIMELINE_KIND_NOTE", text: "Connections of shipping pile up; mysql says too many connections.\nLooking at the pool.", actor: "ann", source: "rest" },
    ],
    paging: { opens: 1, seq: "1", opened_at: at(34) },
    pages: [
      {
        seq: "1",
        kind: "PAGE_KIND_OPEN",
        at: at(34),
        reason: "opened 30s ago, nobody paged yet",
        headline: "",
        done: true,
        superseded: false,
        deliveries: [
          { receiver: "oncall", integration: "pagerduty", index: 0, attempts: 1, sent_at: at(35), last_error: "", skipped: "", thread: "" },
          { receiver: "oncall", integration: "slack", index: 0, attempts: 3, last_error: "channel_not_found", skipped: "", thread: "" },
        ],
      },
    ],
    runbooks: ["https://runbooks.example/mysql-connections"],
    environment: "prod-eu",
    topology_version: "85492204676f",
    archived: false,
    route_labels: {},
    revision: "312",
    resolved_by: "",
    split_from: "",
    apart: [],
    muted: 0,
    incident_severity: "INCIDENT_SEVERITY_SEV1",
    incident_severity_reason: "critical alerts on 3 services, shipping is of tier 1",
    status: "INCIDENT_STATUS_DETECTED",
    roles: [],
    links: [{ title: "bridge", url: "https://meet.example/41", at: at(60), actor: "ann" }],
    next_statuses: ["INCIDENT_STATUS_INVESTIGATING", "INCIDENT_STATUS_IDENTIFIED", "INCIDENT_STATUS_MITIGATING", "INCIDENT_STATUS_RESOLVED"],
    ...changes,
  } as Incident;
}

const acknowledged = { at: at(90), actor: "ann", note: "on it" };

export const states: { name: string; of: Incident }[] = [
  { name: "nobody has it", of: incident() },
  {
    name: "two candidates, somebody has it",
    of: incident({ id: "INC-42", revision: "313", headline: "[SEV2] cart or redis is the probable origin (48 %, 41 %) · web failing · 6 alerts on 2 services", incident_severity: "INCIDENT_SEVERITY_SEV2", status: "INCIDENT_STATUS_INVESTIGATING", acknowledgement: acknowledged, origins: incident().origins.map((o, n) => ({ ...o, probability: [0.48, 0.41, 0.02][n]!, silent: false })) }),
  },
  { name: "origin unknown", of: incident({ id: "INC-43", headline: "[SEV3] origin unknown (best guess a-service-whose-name-is-longer-than-anybody-would-think-reasonable 31 %) · checkout failing · 112 alerts on 48 services", incident_severity: "INCIDENT_SEVERITY_SEV3", alerts: 112, firing: 40, origins: incident().origins.slice(1), unknown_probability: 0.6 }) },
  { name: "no candidate at all", of: incident({ id: "INC-44", headline: "[SEV4] reports: HighLatency", incident_severity: "INCIDENT_SEVERITY_SEV4", origins: [], services: [impact("reports", 1, "SEVERITY_WARNING", 0)], alerts: 1, firing: 1, next_hit: [] }) },
  { name: "an operator said where it began", of: incident({ id: "INC-45", headline: "[SEV1] mysql is the origin (set by ann) · shipping and ratings failing · 14 alerts on 3 services", status: "INCIDENT_STATUS_IDENTIFIED", acknowledgement: acknowledged, set_origin: { service: ref("mysql"), at: at(400), actor: "ann", note: "disk full", named: [] } }) },
  { name: "over", of: incident({ id: "INC-40", state: "INCIDENT_STATE_RESOLVED", status: "INCIDENT_STATUS_RESOLVED", headline: "[RESOLVED] mysql was the probable origin (87 %) · shipping and ratings failed · 14 alerts on 3 services", firing: 0, resolved_at: at(500), quiet_since: at(440), resolved_by: "ann", next_statuses: ["INCIDENT_STATUS_CLOSED"] }) },
  { name: "merged", of: incident({ id: "INC-39", state: "INCIDENT_STATE_MERGED", merged_into: "INC-41", headline: "[MERGED] cart: HighLatency" }) },
];

export const alerts: Alert[] = [
  ...Array.from({ length: 8 }, (_, n) => alert(n, "shipping", 12 + n * 14)),
  ...Array.from({ length: 5 }, (_, n) => alert(20 + n, "ratings", 320 + n * 6)),
  alert(30, "web", 380),
];

function alert(n: number, service: string, began: number): Alert {
  return {
    id: `${n}@x`,
    fingerprint: String(n),
    labels: { alertname: n % 2 ? "HighErrorRate" : "HighLatency", severity: "critical", namespace: "shop", service },
    annotations: { summary: `${service} answers slowly` },
    active: n % 5 !== 0,
    started_at: at(began),
    ...(n % 5 === 0 ? { ended_at: at(began + 70) } : {}),
    generator_url: "https://prometheus.example/graph",
    sender: "alertmanager",
    service: ref(service),
    mapped: n !== 3,
    mapped_by: "label service",
    class: "ALERT_CLASS_LATENCY",
    severity: n % 3 ? "SEVERITY_CRITICAL" : "SEVERITY_WARNING",
    incident: "INC-41",
    fate: { kind: "FATE_KIND_PAGED", text: n === 0 ? "covered by the opening page of INC-41" : "joined INC-41 after its opening page" },
    archived: false,
    revision: "300",
    muted: n === 2 ? "silenced by 6f0c: maintenance" : "",
    sender_url: "",
    detached: "", maintenance: "",
  } as Alert;
}

function node(name: string, role: CascadeNode["role"], x: number, y: number, changes: Partial<CascadeNode> = {}): CascadeNode {
  return { service: ref(name), name, kind: "SERVICE_KIND_API", owner: "storefront", role, probability: 0, silent: false, severity: "SEVERITY_CRITICAL", alerts: 0, firing: 0, after: "0s", order: 0, passing: false, places: [], x, y, width: 199, height: 61, layer: 0, about: `shop/${name}`, ...changes } as CascadeNode;
}

// cascade has every role and every arrow once.
export const cascade: Cascade = {
  incident: "INC-41",
  headline: "",
  description: "mysql: probable origin, 87 %, no alert of its own. shipping and ratings were hit from there.",
  nodes: [
    node("mysql", "CASCADE_ROLE_ORIGIN", 0, 90, { kind: "SERVICE_KIND_DATABASE", probability: 0.87, silent: true }),
    node("shipping", "CASCADE_ROLE_HIT", 291, 40, { alerts: 8, firing: 8, order: 1, probability: 0.09, height: 76 }),
    node("ratings", "CASCADE_ROLE_HIT", 291, 140, { alerts: 5, firing: 2, order: 2, after: "308s" }),
    node("web", "CASCADE_ROLE_HIT", 582, 90, { alerts: 1, firing: 1, order: 3, after: "368s", severity: "SEVERITY_WARNING", kind: "SERVICE_KIND_FRONTEND" }),
    node("queue", "CASCADE_ROLE_SUSPECT", 0, 190, { kind: "SERVICE_KIND_QUEUE", probability: 0.06, silent: true }),
    node("user", "CASCADE_ROLE_CLEARED", 291, 240, { passing: true }),
    node("payment", "CASCADE_ROLE_NEXT", 582, 190),
  ],
  edges: [
    { from: 0, to: 1, link: "CASCADE_LINK_TOOK", kind: "depends", points: [{ x: 199, y: 115 }, { x: 291, y: 78 }] },
    { from: 0, to: 2, link: "CASCADE_LINK_TOOK", kind: "depends", delay: "308s", points: [{ x: 199, y: 125 }, { x: 291, y: 170 }] },
    { from: 1, to: 3, link: "CASCADE_LINK_TOOK", kind: "overload", delay: "60s", points: [{ x: 490, y: 78 }, { x: 582, y: 115 }] },
    { from: 4, to: 2, link: "CASCADE_LINK_SUSPECT", kind: "", points: [{ x: 199, y: 220 }, { x: 291, y: 180 }] },
    { from: 0, to: 5, link: "CASCADE_LINK_CLEARED", kind: "", points: [{ x: 199, y: 135 }, { x: 291, y: 262 }] },
    { from: 2, to: 6, link: "CASCADE_LINK_POSSIBLE", kind: "", points: [{ x: 490, y: 170 }, { x: 582, y: 220 }] },
    { from: 2, to: 3, link: "CASCADE_LINK_DEPENDS", kind: "", points: [{ x: 490, y: 160 }, { x: 582, y: 130 }] },
  ] as Cascade["edges"],
  width: 781,
  height: 301,
  layers: 3,
  omitted_services: 2,
  mermaid: "",
  svg: "",
};

export const findings: ListFindingsResponse = {
  findings: [
    { kind: "FINDING_KIND_LOG_ONLY", severity: "FINDING_SEVERITY_ERROR", subject: "", title: "Pages go to the log and to nobody", evidence: [], why: "Nobody wakes up.", remedy: "Name a receiver." },
    {
      kind: "FINDING_KIND_UNMAPPED_ALERTS",
      severity: "FINDING_SEVERITY_WARNING",
      subject: "app",
      title: "Alerts name no service, and their label app does",
      evidence: [{ text: "alerts without a service", count: "128", last_at: at(-60) }],
      why: "They are grouped by time alone.",
      remedy: "Map the label.",
      snippet: { target: "headwater.yaml", text: "resolve:\n  relabel_configs:\n    - source_labels: [app]\n      target_label: __service__\n", placeholders: false },
    },
    { kind: "FINDING_KIND_NO_RUNBOOK", severity: "FINDING_SEVERITY_HINT", subject: "", title: "Alerts come without a runbook", evidence: [{ text: "of 40 alerts none has one", count: "0" }], why: "At three in the morning nobody remembers.", remedy: "Add runbook_url to the rules." },
  ],
  notes: ["Prometheus at http://prometheus:9090 did not answer: its rules were not looked at"],
  alert_count: "4021",
  service_count: "213",
  topology_version: "85492204676f",
  revision: "312",
};

// markdown has everything that a post-mortem can hold, and what must not become markup.
export const markdown = `# Post-mortem of INC-41

## Summary

mysql began to fail. It was **over** after *23 min*; "max\\_connections to 300" &lt;script&gt; 2 \\* 3 \\| 4. [The runbook](<https://runbooks.example/mysql>), \`code\`, [not followed](<javascript:alert(1)>).

| service | alerts |
|---|---|
| shipping | 8 |
| a \\| b | 1 |

- **No redundancy**: nothing stands in for mysql.
- *Where were we lucky?*

\`\`\`mermaid
flowchart LR
\`\`\`
`;

// The commands, as `hwctl incidents` has them.
import { type Command, type Values, Boxes, Field, Note, Options, flag, many, shell, text } from "./actions";
import { incidents } from "./live";
import { Probability } from "./parts";
import { useCell } from "./store";
import type { Incident } from "./wire";
import { headline, holder, isOpen, kindWord, plural, refName, sevWord, statusWord } from "./words";

const of = (i: Incident) => `incidents/${encodeURIComponent(i.id)}`;

const noted = (v: Values) => flag("-m", text(v, "note"));

export const acknowledge: Command = {
  name: "Acknowledge",
  explains: "You have it. It holds until the incident ends.",
  fields: () => <Note />,
  path: (i) => `${of(i)}:acknowledge`,
  body: (v) => ({ note: text(v, "note") }),
  cli: (i, v) => `hwctl incidents ack ${i.id}${noted(v)}`,
  done: (i) => `${i.id} is acknowledged by ${holder(i)}`,
};

export const note: Command = {
  name: "Note",
  explains: "A line in the timeline.",
  fields: () => <Note required rows={4} />,
  path: (i) => `${of(i)}/notes`,
  body: (v) => ({ note: text(v, "note") }),
  cli: (i, v) => (text(v, "note") ? `hwctl incidents note ${i.id} ${shell(text(v, "note"))}` : ""),
  done: (i) => `noted in ${i.id}`,
};

export const update: Command = {
  name: "Update",
  explains: "Tell colleagues how it stands, or those outside.",
  fields: () => (
    <>
      <Note label="How it stands" name="text" required rows={4} />
      <Options
        name="public"
        label="For"
        of={[
          { value: "", text: "colleagues" },
          { value: "1", text: "those outside, such as customers" },
        ]}
      />
    </>
  ),
  path: (i) => `${of(i)}/updates`,
  body: (v) => ({ text: text(v, "text"), public: text(v, "public") === "1" }),
  cli: (i, v) => (text(v, "text") ? `hwctl incidents update ${i.id}${text(v, "public") ? " --public" : ""} ${shell(text(v, "text"))}` : ""),
  done: (i, v) => (text(v, "public") ? `those outside are told about ${i.id}` : `colleagues are told about ${i.id}`),
};

export const setStatus: Command = {
  name: "Set status",
  explains: "How far people have come.",
  fields: (i) => (
    <>
      <Options name="status" label="Status" of={i.next_statuses.map((s) => ({ value: s, text: statusWord(s) }))} />
      <Note {...(i.next_statuses.includes("INCIDENT_STATUS_CLOSED") ? { hint: "To close it, say why." } : {})} />
    </>
  ),
  path: (i) => `${of(i)}:setStatus`,
  body: (v) => ({ status: text(v, "status"), note: text(v, "note") }),
  cli: (i, v) => `hwctl incidents status ${i.id} ${statusWord(text(v, "status") as Incident["status"])}${noted(v)}`,
  done: (i) => `${i.id} is ${statusWord(i.status)}`,
  bound: true,
};

export const close: Command = {
  name: "Close",
  explains: "Nothing is left to do.",
  fields: () => <Note label="Why" required rows={3} />,
  path: (i) => `${of(i)}:setStatus`,
  body: (v) => ({ status: "INCIDENT_STATUS_CLOSED", note: text(v, "note") }),
  cli: (i, v) => (text(v, "note") ? `hwctl incidents close ${i.id}${noted(v)}` : ""),
  done: (i) => `${i.id} is closed`,
  bound: true,
};

export const resolve: Command = {
  name: "Resolve",
  explains: "It ends now, whatever its alerts say. Receivers that were paged are told.",
  fields: () => <Note label="Why" name="reason" />,
  path: (i) => `${of(i)}:resolve`,
  body: (v) => ({ reason: text(v, "reason") }),
  cli: (i, v) => `hwctl incidents resolve ${i.id}${flag("-m", text(v, "reason"))}`,
  done: (i) => `${i.id} is resolved`,
  bound: true,
  danger: true,
};

export const setOrigin: Command = {
  name: "Set origin",
  explains: "Where it began. Your word leads from then on, whatever the evidence, until it is withdrawn; the page is edited.",
  fields: (i) => (
    <>
      <Options
        name="candidate"
        label="Service"
        of={[
          ...i.origins.slice(0, 6).map((o, n) => ({
            value: n === 0 && !i.set_origin ? "confirm" : refName(o.service),
            text: (
              <>
                {refName(o.service)} <span class="faint">{n === 0 && !i.set_origin ? "as Headwater found" : kindWord(o.kind)}</span> <Probability of={o.probability} quiet />
              </>
            ),
          })),
          ...(i.set_origin ? [{ value: "withdraw", text: `what the evidence says (withdraw the word of ${i.set_origin.actor})` }] : []),
        ]}
      />
      <Field label="Or another service" hint="namespace/name, or name. Empty: what is chosen above">
        <input name="service" maxLength={512} autocomplete="off" />
      </Field>
      <Note />
    </>
  ),
  path: (i) => `${of(i)}:setOrigin`,
  body: (v) => ({ ...originOf(v), note: text(v, "note") }),
  cli: (i, v) => `hwctl incidents set-origin ${i.id} ${originFlag(v)}${noted(v)}`,
  done: (i) => headline(i).what,
  bound: true,
};

// originOf is what was chosen: a service, that Headwater is right, or that the evidence decides again.
function originOf(v: Values): { service: string; confirm?: boolean } {
  const candidate = text(v, "candidate");
  if (text(v, "service")) return { service: text(v, "service") };
  if (candidate === "withdraw") return { service: "" };
  return candidate === "confirm" ? { service: "", confirm: true } : { service: candidate };
}

function originFlag(v: Values): string {
  const { service, confirm } = originOf(v);
  if (confirm) return "--confirm";
  return service ? shell(service) : "--withdraw";
}

export const setSeverity: Command = {
  name: "Set severity",
  explains: "How bad it is, whatever the evidence, until it is automatic again.",
  fields: (i) => (
    <>
      <Options
        name="severity"
        label="Severity"
        first={i.incident_severity}
        of={[
          ...[1, 2, 3, 4].map((n) => ({ value: `INCIDENT_SEVERITY_SEV${n}`, text: `SEV${n}${n === 1 ? ", the worst" : ""}` })),
          ...(i.set_severity ? [{ value: "INCIDENT_SEVERITY_UNSPECIFIED", text: "automatic" }] : []),
        ]}
      />
      <Note />
    </>
  ),
  path: (i) => `${of(i)}:setSeverity`,
  body: (v) => ({ severity: text(v, "severity"), note: text(v, "note") }),
  cli: (i, v) => `hwctl incidents severity ${i.id} ${sevWord(text(v, "severity") as Incident["incident_severity"]) || "automatic"}${noted(v)}`,
  done: (i) => `${i.id} is ${sevWord(i.incident_severity)}`,
  bound: true,
};

const commonRoles = ["incident-commander", "technical-lead", "communications-lead"];

export const assign: Command = {
  name: "Assign",
  explains: "Who does what. Leave the person empty to take a role away.",
  fields: (i) => (
    <>
      <Field label="Role">
        <input name="role" list="roles" required maxLength={256} defaultValue="incident-commander" autocomplete="off" />
      </Field>
      <datalist id="roles">
        {[...new Set([...commonRoles, ...i.roles.map((r) => r.role)])].map((r) => (
          <option key={r} value={r} />
        ))}
      </datalist>
      <Field label="Person" hint="Empty: nobody">
        <input name="assignee" maxLength={256} autocomplete="off" />
      </Field>
      <Note />
    </>
  ),
  path: (i) => `${of(i)}:assign`,
  body: (v) => ({ role: text(v, "role"), assignee: text(v, "assignee"), note: text(v, "note") }),
  cli: (i, v) => `hwctl incidents assign ${i.id} ${shell(text(v, "role") || "ic")} ${text(v, "assignee") ? shell(text(v, "assignee")) : "--nobody"}${noted(v)}`,
  done: (i, v) => `${text(v, "role")} of ${i.id}: ${text(v, "assignee") || "nobody"}`,
};

export const setLink: Command = {
  name: "Link",
  explains: "Where people look: the bridge, the chat channel, a dashboard. Leave the address empty to remove a link.",
  fields: (i) => (
    <>
      <Field label="Title">
        <input name="title" required maxLength={256} list="titles" autocomplete="off" />
      </Field>
      <datalist id="titles">
        {[...new Set(["bridge", "chat", "dashboard", ...i.links.map((l) => l.title)])].map((t) => (
          <option key={t} value={t} />
        ))}
      </datalist>
      <Field label="Address" hint="https://…; empty: removed">
        <input name="url" type="url" maxLength={2048} autocomplete="off" />
      </Field>
    </>
  ),
  path: (i) => `${of(i)}/links`,
  body: (v) => ({ title: text(v, "title"), url: text(v, "url") }),
  cli: (i, v) => (text(v, "title") ? `hwctl incidents link ${i.id} ${shell(text(v, "title"))} ${text(v, "url") ? shell(text(v, "url")) : "--remove"}` : ""),
  done: (i, v) => (text(v, "url") ? `${i.id} links to ${text(v, "title")}` : `${text(v, "title")} is no longer linked from ${i.id}`),
};

export const merge: Command = {
  name: "Merge",
  explains: "Make one incident of two. The one that on-call was paged for goes on, else the older.",
  fields: (i) => (
    <>
      <OtherIncidents of={i} />
      <Note />
    </>
  ),
  path: (i) => `${of(i)}:merge`,
  body: (v) => ({ into: text(v, "into") || text(v, "other"), note: text(v, "note") }),
  cli: (i, v) => (text(v, "into") || text(v, "other") ? `hwctl incidents merge ${i.id} ${text(v, "into") || text(v, "other")}${noted(v)}` : ""),
  done: (i) => `merged; ${i.id} goes on`,
  bound: true,
  danger: true,
};

function OtherIncidents({ of: i }: { of: Incident }) {
  const open = [...useCell(incidents).byId.values()].filter((o) => isOpen(o) && o.id !== i.id).slice(0, 12);
  return (
    <>
      {open.length > 0 && <Options name="other" label="The other incident" of={open.map((o) => ({ value: o.id, text: `${o.id}: ${headline(o).what}` }))} />}
      <Field label={open.length > 0 ? "Or by id" : "The other incident"} hint="INC-41">
        <input name="into" pattern="INC-\d+" required={open.length === 0} autocomplete="off" />
      </Field>
    </>
  );
}

const hitServices = (i: Incident) =>
  i.services.filter((s) => s.alerts > 0).map((s) => ({ value: refName(s.service), text: `${refName(s.service)}: ${plural(s.alerts, "alert")}` }));

const servicesFlags = (v: Values) => many(v, "services").map((s) => ` --service ${shell(s)}`).join("");

export const split: Command = {
  name: "Split",
  explains: "Move the alerts of some services into an incident of their own. Only a merge joins the two again.",
  fields: (i) => (
    <>
      <Boxes name="services" label="Services" of={hitServices(i)} />
      <Note />
    </>
  ),
  path: (i) => `${of(i)}:split`,
  body: (v) => ({ services: many(v, "services"), note: text(v, "note") }),
  cli: (i, v) => (many(v, "services").length ? `hwctl incidents split ${i.id}${servicesFlags(v)}${noted(v)}` : ""),
  done: (i, v) => `${many(v, "services").join(", ")} left ${i.id}`,
  bound: true,
};

export const detach: Command = {
  name: "Detach",
  explains: "Move alerts that came along into an incident of their own that does not page for them.",
  fields: split.fields,
  path: (i) => `${of(i)}:detach`,
  body: split.body,
  cli: (i, v) => (many(v, "services").length ? `hwctl incidents detach ${i.id}${servicesFlags(v)}${noted(v)}` : ""),
  done: (i, v) => `${many(v, "services").join(", ")} left ${i.id} and page nobody`,
  bound: true,
};

export const addActionItem: Command = {
  name: "Action item",
  explains: "What is to be done so that it does not happen again. It outlives the incident.",
  fields: () => (
    <>
      <Note label="What is to be done" name="text" required rows={3} />
      <Field label="Who">
        <input name="assignee" maxLength={256} autocomplete="off" />
      </Field>
      <Field label="Due">
        <input name="due" type="date" />
      </Field>
      <Options name="priority" label="Priority" first="ACTION_PRIORITY_MEDIUM" of={["low", "medium", "high"].map((p) => ({ value: `ACTION_PRIORITY_${p.toUpperCase()}`, text: p }))} />
    </>
  ),
  path: () => "action-items",
  body: (v, i) => ({
    text: text(v, "text"),
    incident: i.id,
    assignee: text(v, "assignee"),
    priority: text(v, "priority"),
    ...(text(v, "due") ? { due: `${text(v, "due")}T00:00:00Z` } : {}),
  }),
  cli: (i, v) =>
    text(v, "text")
      ? `hwctl action-items add -i ${i.id}${flag("-a", text(v, "assignee"))}${flag("--due", text(v, "due"))} --priority ${text(v, "priority").replace("ACTION_PRIORITY_", "").toLowerCase()} ${shell(text(v, "text"))}`
      : "",
  done: (i) => `an action item of ${i.id} was added`,
};

// offered are the commands that make sense now, the most likely first.
export function offered(i: Incident): Command[] {
  if (i.state === "INCIDENT_STATE_MERGED") return [];
  const over = !isOpen(i);
  const list: Command[] = [];
  if (!over && !i.acknowledgement) list.push(acknowledge);
  if (i.next_statuses.some((s) => s !== "INCIDENT_STATUS_CLOSED")) list.push(setStatus);
  if (i.next_statuses.includes("INCIDENT_STATUS_CLOSED")) list.push(close);
  list.push(note, update, assign, setOrigin, setSeverity, setLink, addActionItem);
  if (!over) list.push(merge, split, detach, resolve);
  return list;
}

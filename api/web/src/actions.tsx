// What people do about an incident: one dialog for each command of hwctl, in its words.
//
// Nothing is assumed. A dialog stays until the server has answered, shows what it said,
// and when the incident changed meanwhile, what changed.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Failure, send } from "./api";
import { known } from "./live";
import { Code, Icon } from "./parts";
import { say } from "./shell";
import { remembered } from "./store";
import type { Incident } from "./wire";
import { best, holder, percent, sevWord, standing } from "./words";

// Values are what a form holds, by name. Boxes that can be ticked together are lists.
export type Values = Record<string, string | string[]>;

export const text = (v: Values, name: string) => String(v[name] ?? "").trim();
export const many = (v: Values, name: string): string[] => {
  const value = v[name] ?? [];
  return Array.isArray(value) ? value : value ? [value] : [];
};

// Command is one thing that can be done.
export interface Command {
  // In the imperative, as its button and its dialog are called.
  name: string;
  // What it means, in a sentence.
  explains: string;
  fields: (i: Incident) => ComponentChildren;
  // Where it goes, below the incident, and what is sent.
  path: (i: Incident, v: Values) => string;
  body: (v: Values, i: Incident) => object;
  // The same on the command line; empty while it is not complete.
  cli: (i: Incident, v: Values) => string;
  // What to say when it is done.
  done: (i: Incident, v: Values) => string;
  // It is decided in view of what the incident says, and is refused when that has changed.
  bound?: boolean;
  danger?: boolean;
}

// shell quotes for a POSIX shell.
export const shell = (s: string) => (/^[\w@%+=:,./-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`);
export const flag = (name: string, value: string) => (value ? ` ${name} ${shell(value)}` : "");

interface Answer {
  incident?: Incident;
  split_incident?: Incident;
  detached_incident?: Incident;
}

type Phase = { at: "form" } | { at: "sending" } | { at: "refused"; error: Failure } | { at: "conflict"; error: Failure; now?: Incident };

export function CommandDialog({ command: c, incident, latest, close }: { command: Command; incident: Incident; latest: Incident; close: () => void }) {
  const box = useRef<HTMLDialogElement>(null);
  const form = useRef<HTMLFormElement>(null);
  // What the dialog was opened in view of.
  const [seen, setSeen] = useState(incident);
  const [phase, setPhase] = useState<Phase>({ at: "form" });
  const [values, setValues] = useState<Values>({});
  useEffect(() => {
    box.current?.showModal();
    setValues(read(form.current!));
  }, []);

  const run = async (view: Incident) => {
    const v = read(form.current!);
    remember(v);
    setPhase({ at: "sending" });
    try {
      const body = { ...c.body(v, view), ...(c.bound ? { etag: view.revision } : {}) };
      const answer = await send<Answer>("POST", c.path(view, v), body);
      for (const i of [answer.incident, answer.split_incident, answer.detached_incident]) if (i) known(i);
      say(c.done(answer.incident ?? view, v));
      close();
    } catch (e) {
      const error = e instanceof Failure ? e : new Failure(String(e), 0);
      setPhase(error.conflict ? { at: "conflict", error } : { at: "refused", error });
    }
  };
  const submit = (e: Event) => {
    e.preventDefault();
    void run(seen);
  };
  const again = () => {
    setSeen(latest);
    void run(latest);
  };
  return (
    <dialog ref={box} class="command" aria-labelledby="command-title" onClose={close}>
      <form ref={form} onSubmit={submit} onInput={() => setValues(read(form.current!))}>
        <header>
          <h2 id="command-title">
            {c.name} <span class="id">{incident.id}</span>
          </h2>
          <button type="button" class="plain" aria-label="Close" onClick={() => box.current?.close()}>
            <Icon name="cross" />
          </button>
        </header>
        <p class="explains">{c.explains}</p>
        <div class="fields">{c.fields(incident)}</div>
        <ActorField />
        {phase.at === "refused" && (
          <p class="refused" role="alert">
            <Icon name="alert" /> {phase.error.message}
            {phase.error.status === 0 && " It is not known whether it was done; it may be sent again."}
          </p>
        )}
        {phase.at === "conflict" && <Conflict error={phase.error} was={seen} is={latest} again={again} />}
        <CLI text={c.cli(incident, values)} />
        <footer>
          <button type="button" onClick={() => box.current?.close()}>
            Cancel
          </button>
          <button type="submit" class={c.danger ? "primary danger" : "primary"} disabled={phase.at === "sending" || phase.at === "conflict"}>
            {phase.at === "sending" ? "Waiting for the answer…" : c.name}
          </button>
        </footer>
      </form>
    </dialog>
  );
}

function CLI({ text: line }: { text: string }) {
  if (!line) return null;
  return (
    <details class="cli">
      <summary>The same with hwctl</summary>
      <Code text={line} what="command" />
    </details>
  );
}

// Conflict says what changed since the dialog was opened, and lets people decide anew.
export function Conflict({ error, was, is, again }: { error: Failure; was: Incident; is: Incident; again: () => void }) {
  const changes = differences(was, is);
  return (
    <div class="conflict" role="alert">
      <p>
        <Icon name="alert" /> <strong>It has changed since you opened this.</strong> Nothing was done.
      </p>
      {changes.length > 0 ? (
        <ul>
          {changes.map((d) => (
            <li key={d}>{d}</li>
          ))}
        </ul>
      ) : (
        <p>{is.revision === was.revision ? error.message : "More was learned about it; what you see here is the same as before."}</p>
      )}
      <button type="button" onClick={again}>
        Do it all the same
      </button>
    </div>
  );
}

// differences are what a person decides by.
export function differences(a: Incident, b: Incident): string[] {
  const origin = (i: Incident) => {
    const o = best(i);
    return o ? `${o.service?.name} (${percent(o.probability)})` : "unknown";
  };
  const sides: [string, string, string][] = [
    ["status", standing(a), standing(b)],
    ["severity", sevWord(a.incident_severity), sevWord(b.incident_severity)],
    ["who has it", holder(a) || "nobody", holder(b) || "nobody"],
    ["origin", origin(a), origin(b)],
    ["alerts", `${a.firing} of ${a.alerts}`, `${b.firing} of ${b.alerts}`],
    ["services", String(a.services.length), String(b.services.length)],
  ];
  return sides.filter(([, x, y]) => x !== y).map(([what, x, y]) => `${what}: ${x} → ${y}`);
}

function read(form: HTMLFormElement): Values {
  const out: Values = {};
  const data = new FormData(form);
  for (const name of new Set(data.keys())) {
    const all = data.getAll(name).map(String);
    const boxes = form.querySelector(`input[type=checkbox][name="${name}"]`);
    out[name] = boxes ? all : all[0]!;
  }
  return out;
}

function remember(v: Values) {
  if (v["actor"] !== undefined) remembered.set("actor", text(v, "actor"));
}

function ActorField() {
  return (
    <Field label="You" hint="Kept in this browser. A server that authenticates knows better.">
      <input name="actor" autocomplete="username" maxLength={256} defaultValue={remembered.get("actor")} placeholder="anonymous" />
    </Field>
  );
}

export function Field({ label, hint, children }: { label: string; hint?: string; children: ComponentChildren }) {
  return (
    <label class="field">
      <span>{label}</span>
      {children}
      {hint && <small>{hint}</small>}
    </label>
  );
}

// Options is one of several.
export function Options({ name, label, of, first }: { name: string; label: string; of: { value: string; text: ComponentChildren }[]; first?: string | undefined }) {
  return (
    <fieldset class="options">
      <legend>{label}</legend>
      {of.map((o, n) => (
        <label key={o.value}>
          <input type="radio" name={name} value={o.value} defaultChecked={first === undefined ? n === 0 : o.value === first} />
          <span>{o.text}</span>
        </label>
      ))}
    </fieldset>
  );
}

// Boxes is some of several.
export function Boxes({ name, label, of }: { name: string; label: string; of: { value: string; text: ComponentChildren }[] }) {
  return (
    <fieldset class="options">
      <legend>{label}</legend>
      {of.map((o) => (
        <label key={o.value}>
          <input type="checkbox" name={name} value={o.value} />
          <span>{o.text}</span>
        </label>
      ))}
    </fieldset>
  );
}

export function Note({ label = "Note", name = "note", required, hint, rows = 2 }: { label?: string; name?: string; required?: boolean; hint?: string; rows?: number }) {
  return (
    <Field label={label} {...(hint ? { hint } : {})}>
      <textarea name={name} rows={rows} maxLength={16384} required={required ?? false} />
    </Field>
  );
}

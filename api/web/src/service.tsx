// One service: what it is, what it needs and who needs it, and what its failure does.
import { get } from "./api";
import { Ago, Icon, Outside, Trouble, Waiting } from "./parts";
import { to } from "./route";
import { useLoaded } from "./store";
import type { Dependency, GetServiceResponse, HealthCheck, Impact, Service, ServiceRef, Sighting, WhatBreaksResponse } from "./wire";
import { effectWord, healthWord, kindWord, modeWord, percent, plural, refName } from "./words";

export function ServicePanel({ name, checks }: { name: string; checks: HealthCheck[] }) {
  const service = useLoaded((signal) => get<GetServiceResponse>(`topology/services/${name.split("/").map(encodeURIComponent).join("/")}`, {}, signal), [name]);
  const breaks = useLoaded((signal) => get<WhatBreaksResponse>("topology:whatBreaks", { services: [name] }, signal), [name]);
  if (service.error) return <Trouble what={`${name} cannot be shown`} error={service.error} again={service.again} />;
  if (!service.data?.service) return <Waiting what={name} rows={3} />;
  const s = service.data.service;
  const own = checks.filter((c) => refName(c.service) === refName(s.ref));
  return (
    <>
      <div class="service-cards">
        <About of={s} />
        {own.length > 0 && <Checks of={own} />}
        <Breaks of={breaks.data?.impacts} {...(breaks.error ? { error: breaks.error } : {})} />
      </div>
      <Dependencies title="Needs" of={service.data.dependencies} side="to" none="It needs nothing." />
      <Dependencies title="Needed by" of={service.data.dependents} side="from" none="Nothing needs it." />
      {service.data.redundancy_groups.length > 0 && (
        <section class="card" aria-labelledby="groups">
          <h2 id="groups">Redundancy groups</h2>
          <ul class="plain-list">
            {service.data.redundancy_groups.map((g) => (
              <li key={g.name}>
                <b>{g.name}</b> {g.need} of {g.members.map((m) => m.name).join(", ")} must work
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function About({ of: s }: { of: Service }) {
  const facts: [string, string][] = [
    ["Kind", kindWord(s.kind)],
    ["Owner", s.owner || "nobody is named"],
    ["Tier", s.tier ? String(s.tier) : ""],
    ["Runs on", s.runs_on.join(", ")],
    ["Also called", s.aliases.join(", ")],
    ["In a circle with", s.cycle.map(refName).join(", ")],
    ["Declared", s.declared ? "" : "no: only dependencies name it"],
    ["Labels", Object.entries(s.labels).map(([k, v]) => `${k}=${v}`).join(", ")],
  ];
  return (
    <section class="card record" aria-labelledby="about">
      <h2 id="about">{refName(s.ref)}</h2>
      <dl>
        {facts
          .filter(([, v]) => v)
          .map(([k, v]) => (
            <div key={k}>
              <dt>{k}</dt>
              <dd>{v}</dd>
            </div>
          ))}
        <div>
          <dt>Known to</dt>
          <dd>
            <Seen of={s.seen} />
          </dd>
        </div>
      </dl>
      <p class="where">
        {s.runbook && (
          <Outside href={s.runbook}>
            <Icon name="doc" /> Runbook
          </Outside>
        )}
        {Object.entries(s.links).map(([title, url]) => (
          <Outside key={title} href={url}>
            <Icon name="link" /> {title}
          </Outside>
        ))}
        <a {...to(`?q=${encodeURIComponent(s.ref?.name ?? "")}`)}>
          <Icon name="list" /> open incidents
        </a>
        <a {...to(`history?q=${encodeURIComponent(s.ref?.name ?? "")}`)}>
          <Icon name="history" /> history
        </a>
      </p>
    </section>
  );
}

// Seen is who knows of something, and how fresh that is.
function Seen({ of }: { of: Sighting[] }) {
  if (of.length === 0) return <span class="faint">no source by itself</span>;
  return (
    <>
      {of.map((x) => (
        <span key={x.source} class="sighting">
          {x.source}
          {x.last_seen && (
            <span class="faint">
              {" "}
              seen <Ago at={x.last_seen} /> ago
            </span>
          )}
          {x.requests_per_second !== undefined && <span class="faint"> {x.requests_per_second.toFixed(1)} req/s</span>}
          {x.error_ratio !== undefined && x.error_ratio > 0.001 && <span class="faint"> {percent(x.error_ratio)} fail</span>}
        </span>
      ))}
    </>
  );
}

function Checks({ of }: { of: HealthCheck[] }) {
  return (
    <section class="card" aria-labelledby="checks">
      <h2 id="checks">Health checks</h2>
      <ul class="plain-list">
        {of.map((c) => {
          const word = healthWord(c.status);
          return (
            <li key={c.check} class={`check ${word}`}>
              <Icon name={word === "passing" ? "check" : word === "failing" ? "cross" : "alert"} /> <b>{c.check}</b> {word}{" "}
              {c.since && (
                <span class="faint">
                  for <Ago at={c.since} />
                </span>
              )}
              {c.message && <span class="text">{c.message}</span>}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

const effectSays: Record<string, string> = { broken: "do not work", degraded: "work in part or late", "at-risk": "have less redundancy" };

function Breaks({ of, error }: { of: Impact[] | undefined; error?: Error }) {
  return (
    <section class="card" aria-labelledby="breaks">
      <h2 id="breaks">What breaks if it fails</h2>
      {error && <p class="faint">{error.message}</p>}
      {of?.length === 0 && <p class="faint">Nothing else.</p>}
      {of &&
        ["broken", "degraded", "at-risk"].map((effect) => {
          const hit = of.filter((i) => effectWord(i.effect) === effect);
          if (hit.length === 0) return null;
          return (
            <p key={effect} class={`effect ${effect}`}>
              <b>
                <Icon name={effect === "broken" ? "cross" : effect === "degraded" ? "alert" : "clock"} /> {plural(hit.length, "service")} {effectSays[effect]}:
              </b>{" "}
              {hit.slice(0, 20).map((i, n) => (
                <span key={refName(i.service)}>
                  {n > 0 && ", "}
                  <Name of={i.service} />
                </span>
              ))}
              {hit.length > 20 && ` and ${hit.length - 20} more`}
            </p>
          );
        })}
    </section>
  );
}

const Name = ({ of }: { of?: ServiceRef | undefined }) => <a {...to(`topology/${refName(of)}`)}>{of?.name}</a>;

function Dependencies({ title, of, side, none }: { title: string; of: Dependency[]; side: "from" | "to"; none: string }) {
  const id = title.toLowerCase().replace(" ", "-");
  return (
    <section class="card" aria-labelledby={id}>
      <h2 id={id}>
        {title} <span class="faint">{of.length}</span>
      </h2>
      {of.length === 0 && <p class="faint">{none}</p>}
      <ul class="dependencies">
        {of.map((d) => (
          <li key={refName(d[side])}>
            <Name of={d[side]} />
            <span>
              {modeWord(d.mode)}
              {d.redundancy_group && <span class="tag">one of {d.redundancy_group}</span>}
            </span>
            <span>
              <Seen of={d.seen} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

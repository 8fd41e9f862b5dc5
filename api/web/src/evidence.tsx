// Why: what speaks for a candidate and what against it, and who else it could have been.
import { Icon, Probability } from "./parts";
import type { Incident, Origin, Reason } from "./wire";
import { kindWord, percent, refName } from "./words";

// worthALine is the probability from which a candidate has a line of its own, as on pages.
const worthALine = 0.05;

export function Evidence({ of: i }: { of: Incident }) {
  const [first, ...rivals] = i.origins;
  if (!first) {
    return (
      <section class="card evidence" aria-labelledby="why">
        <h2 id="why">Why</h2>
        <p>No candidate explains these alerts.</p>
      </section>
    );
  }
  const few = rivals.filter((o) => o.probability < worthALine);
  return (
    <section class="card evidence" aria-labelledby="why">
      <h2 id="why">
        Why {first.service?.name}
        <span class="faint">
          {kindWord(first.kind)}
          {first.silent ? ", silent: no alert of its own" : ""}
        </span>
      </h2>
      <Candidates of={i} />
      {i.set_origin && (
        <p class="said-origin">
          <Icon name="person" /> {i.set_origin.actor} said so{i.set_origin.note && `: “${i.set_origin.note}”`}
        </p>
      )}
      <Reasons of={first.reasons} />
      {rivals
        .filter((o) => o.probability >= worthALine)
        .map((o) => (
          <Rival key={refName(o.service)} of={o} />
        ))}
      {i.unknown_probability >= 0.005 && (
        <p class="or">
          <b>Or</b> something else <Probability of={i.unknown_probability} quiet />
        </p>
      )}
      {few.length > 0 && (
        <details class="few">
          <summary>
            {few.length === 1 ? "One other service" : `${few.length} other services`} ({percent(few.reduce((p, o) => p + o.probability, 0))} together)
          </summary>
          {few.map((o) => (
            <Rival key={refName(o.service)} of={o} />
          ))}
        </details>
      )}
    </section>
  );
}

// Candidates shows how the whole probability is shared.
function Candidates({ of: i }: { of: Incident }) {
  const worth = i.origins.filter((o) => o.probability >= 0.01).slice(0, 4);
  const label = [...worth.map((o) => `${o.service?.name} ${percent(o.probability)}`), `something else ${percent(i.unknown_probability)}`].join(", ");
  let x = 0;
  return (
    <figure class="candidates">
      <svg viewBox="0 0 1000 14" preserveAspectRatio="none" role="img" aria-label={label}>
        <rect class="ground" width="1000" height="14" />
        {worth.map((o, n) => {
          const from = x;
          x += o.probability * 1000;
          return <rect key={refName(o.service)} class={`share n${n}`} x={from + (n ? 3 : 0)} width={Math.max(2, o.probability * 1000 - (n ? 3 : 0))} height="14" />;
        })}
      </svg>
      <figcaption>
        {worth.map((o, n) => (
          <span key={refName(o.service)} class={`n${n}`}>
            <i aria-hidden="true" /> {o.service?.name} {percent(o.probability)}
          </span>
        ))}
        {i.unknown_probability >= 0.01 && (
          <span class="unknown">
            <i aria-hidden="true" /> something else {percent(i.unknown_probability)}
          </span>
        )}
      </figcaption>
    </figure>
  );
}

function Rival({ of: o }: { of: Origin }) {
  return (
    <details class="rival">
      <summary>
        <b>Or</b> {o.service?.name} <Probability of={o.probability} quiet />
        <span class="because">{because(o)}</span>
      </summary>
      <Reasons of={o.reasons} />
    </details>
  );
}

// because is the one reason that a line has room for.
function because(o: Origin): string {
  const speaksFor = o.reasons.find((r) => r.weight > 0);
  if (speaksFor) return speaksFor.text;
  return o.reasons[0] ? `but ${o.reasons[0].text}` : "";
}

// leastHeaviest is the weight whose bar fills its half when no other is heavier: small
// weights are to look small.
const leastHeaviest = 3;

export function Reasons({ of }: { of: Reason[] }) {
  if (of.length === 0) return null;
  // A person's word outweighs everything; beside it nothing else could be compared.
  const heaviest = Math.max(leastHeaviest, ...of.filter((r) => r.term !== "TERM_SAID").map((r) => Math.abs(r.weight)));
  const share = (r: Reason) => Math.max(-1, Math.min(1, r.weight / heaviest)) * 50;
  return (
    <ul class="reasons">
      {of.map((r) => (
        <li key={r.term + r.text} class={r.weight < 0 ? "against" : "for"}>
          <svg viewBox="-50 0 100 10" preserveAspectRatio="none" aria-hidden="true">
            <rect class="axis" x="-.4" width=".8" height="10" />
            <rect class="weight" x={Math.min(0, share(r))} y="2" width={Math.abs(share(r))} height="6" />
          </svg>
          <span class="figure">{(r.weight < 0 ? "−" : "+") + Math.abs(r.weight).toFixed(1)}</span>
          <span class="text">
            <span class="unseen">{r.weight < 0 ? "against: " : "for: "}</span>
            {r.text}
          </span>
        </li>
      ))}
    </ul>
  );
}

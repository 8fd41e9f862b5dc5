// Where the graph comes from, and what looks amiss with it.
import { get } from "./api";
import { Ago, Icon } from "./parts";
import { useLoaded } from "./store";
import type { ListTopologySourcesResponse, ListTopologySuggestionsResponse } from "./wire";
import { plural, refName } from "./words";

export function TopologySources() {
  const sources = useLoaded((signal) => get<ListTopologySourcesResponse>("topology/sources", {}, signal), ["sources"]);
  const suggestions = useLoaded((signal) => get<ListTopologySuggestionsResponse>("topology/suggestions", {}, signal), ["suggestions"]);
  return (
    <>
      {sources.data && (
        <section class="card" aria-labelledby="sources">
          <h2 id="sources">
            Sources <span class="faint">where two differ, the higher one wins</span>
          </h2>
          <ul class="dependencies">
            {sources.data.sources.map((s) => (
              <li key={s.name}>
                <b>{s.name}</b>
                <span>
                  {plural(s.service_count, "service")}, {plural(s.dependency_count, "dependency").replace("dependencys", "dependencies")}
                </span>
                <span class={s.error ? "failing" : ""}>
                  <Icon name={s.error ? "cross" : "check"} /> {s.error || (s.answered_at ? <Answered at={s.answered_at} /> : "not asked yet")}
                </span>
              </li>
            ))}
          </ul>
        </section>
      )}
      {suggestions.data && suggestions.data.suggestions.length > 0 && (
        <section class="card" aria-labelledby="suggestions">
          <h2 id="suggestions">Suggestions</h2>
          <ul class="plain-list">
            {suggestions.data.suggestions.map((s) => (
              <li key={s.services.map(refName).join()}>
                <b>{s.text}</b> {s.remedy}
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

const Answered = ({ at }: { at: string }) => (
  <>
    answered <Ago at={at} /> ago
  </>
);

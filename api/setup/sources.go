package setup

import (
	"fmt"

	"github.com/headwater-sre/headwater/topology/discovery"
)

func (e *examination) sources() {
	for i := range e.Sources {
		switch s := &e.Sources[i]; {
		case s.Error != "":
			e.add("topology sources", failingSource(s))
		case !s.Pushed && !s.LastSuccess.IsZero() && s.Services == 0:
			e.add("topology sources without content", emptySource(s))
		}
	}
	if e.Graph.Len() == 0 {
		e.add("the topology", Finding{
			Kind: NoTopology, Severity: Error, Subject: "topology",
			Title:  "There is no topology",
			Why:    "Without dependencies each service's alerts are an incident of their own, and no origin can be found.",
			Remedy: "Name what knows your services: a mesh's or tracer's metrics, docker-compose files, a catalogue, or a file of your own. docs/topology.md has a section for each.",
			Snippet: &Snippet{Target: configFile, Placeholders: true, Text: "topology:\n  files: [topology.yaml]\n  prometheus:\n" +
				"    - {url: 'http://prometheus:9090', preset: otel}\n"},
		})
	}
	for _, l := range e.LookAlikes {
		e.add("names that look alike", Finding{
			Kind: LookAlike, Severity: Warning, Subject: l.A.String() + " and " + l.B.String(),
			Title:    fmt.Sprintf("%s and %s could be one service", l.A, l.B),
			Evidence: []Evidence{{Text: l.Why}},
			Why:      "As two services, what one source knows of it is missing at the other, and a failure stops between them.",
			Remedy:   "If they are one, say so in the topology file.",
			Snippet:  &Snippet{Target: topologyFile, Text: fmt.Sprintf("services:\n  - {name: %s%s, aliases: [%s]}\n", quoted(l.A.Ref.Name), namespaceKey(l.A.Ref.Namespace), quoted(l.B.Ref.String()))},
		})
	}
}

func failingSource(s *discovery.Status) Finding {
	f := Finding{
		Kind: FailingSource, Severity: Warning, Subject: s.Name,
		Title:    fmt.Sprintf("Topology source %s does not answer", s.Name),
		Evidence: []Evidence{{Text: "it says: " + s.Error, Last: s.LastAttempt}},
		Remedy:   "Mend what the error says, or take the source out of the section topology. It is asked again by itself; hwctl topology sources shows when it answers.",
	}
	if s.LastSuccess.IsZero() {
		f.Severity = Error
		f.Evidence = append(f.Evidence, Evidence{Text: "it has never answered"})
		f.Why = "What only it knows is not in the graph: its services' alerts stand alone."
	} else {
		f.Evidence = append(f.Evidence, Evidence{Text: "it answered last", Last: s.LastSuccess})
		f.Why = fmt.Sprintf("What it said last stays in force (%s, %s); what changed since is not known.",
			plural(s.Services, "service"), dependencies(s.Dependencies))
	}
	return f
}

func emptySource(s *discovery.Status) Finding {
	f := Finding{
		Kind: EmptySource, Severity: Warning, Subject: s.Name,
		Title:    fmt.Sprintf("Topology source %s answers and knows nothing", s.Name),
		Evidence: []Evidence{{Text: "it answered with no service", Last: s.LastSuccess}},
		Why:      "It adds nothing to the graph, which is hardly what it is configured for.",
		Remedy:   "Of a Prometheus: see whether it has the metrics of the preset, under labels that its matchers let through, and not longer ago than its range. Of files: whether the patterns fit.",
	}
	for _, w := range s.Warnings[:min(len(s.Warnings), maxSeen)] {
		f.Evidence = append(f.Evidence, Evidence{Text: "it warns: " + w.Text})
	}
	return f
}

func dependencies(n int) string {
	if n == 1 {
		return "1 dependency"
	}
	return fmt.Sprintf("%d dependencies", n)
}

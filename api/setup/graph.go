package setup

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// unseenLeast is how often a callee must have failed, with its caller unmoved, before
// that is worth a word.
const unseenLeast = 3

func (e *examination) graph() {
	e.missingEdges() // before the orphans, which may have one
	e.orphans()
	e.unregistered()
	e.unseenEdges()
}

// place reports whether a node is where services run, not one of them.
func place(k topology.Kind) bool {
	return k == topology.KindHost || k == topology.KindZone || k == topology.KindCluster
}

func (e *examination) orphans() {
	var out []Finding
	for n := range topology.NodeID(e.Graph.Len()) {
		svc := e.Graph.Service(n)
		if place(svc.Kind) || len(e.Graph.In(n)) > 0 || slices.ContainsFunc(e.Graph.Out(n), func(d topology.Edge) bool { return !place(e.Graph.Service(d.Node).Kind) }) {
			continue
		}
		ref := e.Graph.Ref(n)
		f := Finding{
			Kind: OrphanService, Severity: Hint, Subject: ref.String(),
			Title:  fmt.Sprintf("%s depends on nothing, and nothing depends on it", ref),
			Why:    "A failure can neither come from it nor reach it, whatever alerts at the same time.",
			Remedy: "Add what calls it or what it calls, or a source that sees its calls.",
		}
		if alerts := e.about[ref]; len(alerts) > 0 {
			f.Severity = Warning
			f.Evidence = append(f.Evidence, evidenceOf("alerts about it", alerts))
		}
		for _, s := range svc.Seen {
			f.Evidence = append(f.Evidence, Evidence{Text: "known by source " + s.Source, Last: s.LastSeen})
		}
		if e.proposed[ref] {
			f.Remedy = "A dependency on, or of, the service that it alerts together with is among the findings."
		} else {
			f.Snippet = &Snippet{Target: topologyFile, Placeholders: true, Text: fmt.Sprintf("dependencies:\n  - {from: WHAT-CALLS-IT, to: %s}\n", quoted(ref.String()))}
		}
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	e.add("services without dependencies", out...)
}

func evidenceOf(text string, alerts []*correlate.AlertState) Evidence {
	ev := Evidence{Text: text, Count: len(alerts)}
	for _, a := range alerts {
		ev.Last = later(ev.Last, a.LastSeen)
	}
	return ev
}

// outside reports whether a name is what a mesh calls everything that it does not know.
func outside(name string) bool { return name == "PassthroughCluster" || name == "BlackHoleCluster" }

// unregistered tells of what a mesh only knows as "outside", from edges of the graph and
// from alerts about calls.
func (e *examination) unregistered() {
	callers, alerts := map[topology.Ref]map[string]bool{}, map[topology.Ref][]*correlate.AlertState{}
	calls := func(ref topology.Ref, caller string) {
		if callers[ref] == nil {
			callers[ref] = map[string]bool{}
		}
		callers[ref][caller] = true
	}
	for n := range topology.NodeID(e.Graph.Len()) {
		if !outside(e.Graph.Service(n).Name) {
			continue
		}
		for _, d := range e.Graph.In(n) {
			calls(e.Graph.Ref(n), e.Graph.Name(d.Node))
		}
	}
	for ref, about := range e.about {
		if !outside(ref.Name) {
			continue
		}
		alerts[ref] = about
		for _, a := range about {
			if res := e.Resolver.Resolve(e.Graph, a.Labels); res.Edge {
				calls(ref, res.Source.String())
			}
		}
	}
	for _, ref := range sortedKeys(callers, func(a, b topology.Ref) int { return cmp.Compare(a.String(), b.String()) }) {
		e.add("unregistered traffic", outsideCalls(ref, slices.Sorted(maps.Keys(callers[ref])), alerts[ref]))
	}
}

func outsideCalls(ref topology.Ref, callers []string, alerts []*correlate.AlertState) Finding {
	f := Finding{
		Kind: UnregisteredTraffic, Severity: Warning, Subject: ref.String(),
		Title:    fmt.Sprintf("%s: %s a host that the mesh does not know", ref, plural(len(callers), "service")+verb(len(callers), " calls", " call")),
		Evidence: []Evidence{{Text: "callers: " + listed(callers, 8)}},
		Why:      "Whatever is behind it, a database perhaps, has no name there and cannot be named as an origin.",
		Remedy:   "Register the host with the mesh; metrics, map and pages then call it by name. Without access to the mesh, list the dependency on it in the topology file.",
		Snippet:  &Snippet{Target: "kubectl apply -f -", Placeholders: true, Text: serviceEntry},
	}
	if ref.Name == "BlackHoleCluster" {
		f.Why = "The mesh refuses these calls, as its outbound policy allows registered hosts only; the callers fail, or will."
	}
	if len(alerts) > 0 {
		f.Evidence = append(f.Evidence, evidenceOf("alerts about these calls", alerts))
	}
	return f
}

const serviceEntry = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: NAME, namespace: NAMESPACE}
spec:
  hosts: [HOST.EXAMPLE.COM]
  location: MESH_EXTERNAL
  resolution: DNS
  ports: [{number: 3306, name: tcp-NAME, protocol: TCP}]
`

// unseenEdges tells of dependencies that failures do not travel.
func (e *examination) unseenEdges() {
	var out []Finding
	for i := range e.Figures {
		f := &e.Figures[i]
		if f.Kind != correlate.FigureEdge || !f.Known || f.For >= .5 || f.Against < unseenLeast-.5 {
			continue
		}
		caller, callee, _ := strings.Cut(f.Subject, " -> ")
		out = append(out, Finding{
			Kind: UnseenEdge, Severity: Hint, Subject: f.Subject,
			Title:    fmt.Sprintf("%s has never felt a failure of %s", caller, callee),
			Evidence: []Evidence{{Text: f.String(), Count: int(f.Against + .5), Last: f.At}},
			Why:      "An edge that no failure travels makes two failures look like one. Headwater has learned to trust it less.",
			Remedy:   "If the caller can do without it, or notices later only, say so: mode soft or async. If it no longer calls it, take the dependency out.",
			Snippet:  &Snippet{Target: topologyFile, Text: fmt.Sprintf("dependencies:\n  - {from: %s, to: %s, mode: soft}\n", quoted(caller), quoted(callee))},
		})
	}
	e.add("dependencies that no failure travels", out...)
}

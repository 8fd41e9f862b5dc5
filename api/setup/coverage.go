package setup

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// coverage finds services that others depend on and nothing watches: no alert of theirs
// ever came, no health check looks at them, and no rule of the Prometheus servers that
// could be asked names them.
func (e *examination) coverage() {
	watched := e.watchedByRules()
	if len(e.Alerts) == 0 && len(e.Health) == 0 && len(watched) == 0 {
		if e.Graph.Len() > 0 {
			e.note("services that nothing watches: not looked for, as neither alerts nor health checks have come yet")
		}
		return
	}
	for ref := range e.about {
		watched[e.canonical(ref)] = true
	}
	for _, h := range e.Health {
		watched[e.canonical(h.Service)] = true
	}
	for i := range e.Figures {
		if f := &e.Figures[i]; f.Kind == correlate.FigureAlerted && f.For > 0 {
			watched[e.canonical(topology.ParseRef(f.Subject))] = true
		}
	}
	type gap struct {
		node       topology.NodeID
		dependents int
	}
	var gaps []gap
	for n := range topology.NodeID(e.Graph.Len()) {
		if len(e.Graph.In(n)) > 0 && !place(e.Graph.Service(n).Kind) && !outside(e.Graph.Service(n).Name) && !watched[e.Graph.Ref(n)] {
			gaps = append(gaps, gap{n, len(e.Graph.Dependents(n, 0))})
		}
	}
	slices.SortStableFunc(gaps, func(a, b gap) int { return cmp.Compare(b.dependents, a.dependents) })
	var out []Finding
	for _, g := range gaps {
		out = append(out, e.gap(g.node, g.dependents))
	}
	e.add("services that nothing watches", out...)
}

// canonical is the graph's own name of a service that it has.
func (e *examination) canonical(ref topology.Ref) topology.Ref {
	if n, ok := e.Graph.Lookup(ref); ok {
		return e.Graph.Ref(n)
	}
	return ref
}

func (e *examination) gap(n topology.NodeID, dependents int) Finding {
	svc, ref := e.Graph.Service(n), e.Graph.Ref(n)
	var direct []string
	for _, d := range e.Graph.In(n) {
		direct = append(direct, e.Graph.Name(d.Node))
	}
	slices.Sort(direct)
	severity := Hint
	if store(svc.Kind) || dependents >= 3 {
		severity = Warning
	}
	module, target := "http_2xx", fmt.Sprintf("http://%s:8080/health", svc.Name)
	if store(svc.Kind) {
		module, target = "tcp_connect", svc.Name+":PORT"
	}
	return Finding{
		Kind: CoverageGap, Severity: severity, Subject: ref.String(),
		Title: fmt.Sprintf("Nothing watches %s, and %s on it", e.Graph.Name(n), plural(dependents, "service")+verb(dependents, " depends", " depend")),
		Evidence: []Evidence{
			{Text: "depend on it directly: " + listed(direct, 8)},
			{Text: "no alert about it ever came, and no health check looks at it"},
		},
		Why:    "When it fails, only its callers say so: it has to be guessed, and is named with less confidence.",
		Remedy: "Have it checked by Headwater, as below, or write an alerting rule about it.",
		Snippet: &Snippet{Target: configFile, Placeholders: true, Text: fmt.Sprintf(
			"health:\n  checks:\n    - {service: %s, target: %s, module: %s}\n", quoted(ref.String()), quoted(target), module)},
	}
}

// watchedByRules are the services that alerting rules name.
func (e *examination) watchedByRules() map[topology.Ref]bool {
	out := map[topology.Ref]bool{}
	asked, rules, general := 0, 0, 0
	for _, set := range e.Rules {
		if set.Err != nil {
			e.note("the rules of %s are not known: %v", set.Server, set.Err)
			continue
		}
		asked++
		for i := range set.Rules {
			rules++
			named := e.namedBy(&set.Rules[i])
			if len(named) == 0 {
				general++
			}
			for _, ref := range named {
				out[ref] = true
			}
		}
	}
	switch {
	case asked > 0 && rules == 0:
		e.note("the Prometheus servers of the topology sources have no alerting rules")
	case asked > 0:
		e.note("%s of Prometheus were read by the labels that they select and set: %d name no service of the graph, so that only their alerts will tell whom they watch", plural(rules, "alerting rule"), general)
	}
	return out
}

// namedBy are the services of the graph that a rule's own labels or one of its selectors name.
func (e *examination) namedBy(r *Rule) []topology.Ref {
	var out []topology.Ref
	for _, labels := range append([]map[string]string{{}}, selectors(r.Query)...) {
		all := map[string]string{"alertname": r.Name}
		for k, v := range labels {
			all[k] = v
		}
		for k, v := range r.Labels {
			all[k] = v
		}
		res := e.Resolver.Resolve(e.Graph, all)
		for _, ref := range []topology.Ref{res.Service, res.Source} {
			if ref = e.canonical(ref); res.Mapped && e.knows(ref) && !ref.IsZero() {
				out = append(out, ref)
			}
		}
	}
	return out
}

// runbooks finds alert rules that tell nobody what to do.
func (e *examination) runbooks() {
	without := map[string]*Evidence{}
	for ref, alerts := range e.about {
		if n, ok := e.Graph.Lookup(ref); ok && e.Graph.Service(n).Runbook != "" {
			continue
		}
		for _, a := range alerts {
			name := a.Labels["alertname"]
			if a.Severity <= correlate.SeverityInfo || name == correlate.HealthAlertName || name == testAlertName || a.Annotations["runbook_url"] != "" {
				continue
			}
			if without[name] == nil {
				without[name] = &Evidence{Text: name}
			}
			without[name].Count++
			without[name].Last = later(without[name].Last, a.LastSeen)
		}
	}
	if len(without) == 0 {
		return
	}
	names := sortedKeys(without, func(a, b string) int {
		return cmp.Or(cmp.Compare(without[b].Count, without[a].Count), cmp.Compare(a, b))
	})
	f := Finding{
		Kind: NoRunbook, Severity: Hint, Subject: "rules",
		Title:  fmt.Sprintf("Alerts of %s come without a runbook", plural(len(names), "rule")),
		Why:    "The page has no link to what is to be done; whoever is called at night begins by searching.",
		Remedy: "Annotate the rules. A runbook of the service, in the topology, does for all of its alerts.",
		Snippet: &Snippet{Target: ruleFile, Placeholders: true, Text: fmt.Sprintf(
			"# rule %s\n    annotations:\n      runbook_url: https://runbooks.example.org/%s\n", quoted(names[0]), names[0])},
	}
	for _, name := range names[:min(len(names), maxTold)] {
		f.Evidence = append(f.Evidence, *without[name])
	}
	if more := len(names) - maxTold; more > 0 {
		f.Evidence = append(f.Evidence, Evidence{Text: "rules more", Count: more})
	}
	e.add("runbooks", f)
}

package topology

import (
	"strconv"
	"strings"
)

// query is one Resolve.
type query struct {
	g *Graph
	e evidence
}

// finding is a name and why it was chosen.
type finding struct {
	ref   Ref
	how   string
	known bool // the graph has it
}

func (q *query) found(n NodeID, r *rule, value string) finding {
	return finding{ref: q.g.Ref(n), how: r.explain(value), known: true}
}

// explain quotes the value where the name had to be cut out of it.
func (r *rule) explain(value string) string {
	switch r.form {
	case pod:
		return r.label + " name " + strconv.Quote(value)
	case claim, run, derived:
		return r.how + " " + strconv.Quote(value)
	case address:
		return r.label + " host part of " + strconv.Quote(value)
	default:
		return r.how
	}
}

// namespaceFor is the namespace that goes with a label: the callee's for labels about
// the callee. loose reports that it is a guess: an alert about calls has one namespace
// label at most, and that is as likely the other end's.
func (q *query) namespaceFor(r *rule) (namespace string, loose bool) {
	if strings.HasPrefix(r.label, "exported_") { // plain namespace is then the observer's
		return q.e.get(slotExportedNamespace), false
	}
	var own []slot
	switch {
	case r.roles&callee != 0:
		own = calleeNamespaces
	case r.roles&caller != 0:
		own = callerNamespaces
	}
	if ns := q.e.first(own); ns != "" {
		return ns, false
	}
	return q.e.first(namespaceSlots), own != nil
}

// match finds the node that one label names.
func (q *query) match(r *rule, value string, isEnd bool) (NodeID, bool) {
	namespace, loose := q.namespaceFor(r)
	n, ok := match(q.g, r, value, namespace)
	if !ok && (loose || isEnd && r.roles&remote != 0) && namespace != "" {
		n, ok = match(q.g, r, value, "")
	}
	return n, ok
}

// candidates are the labels that may name the subject, split by whether their values
// are believed.
type candidates struct{ trusted, observers slotSet }

func (q *query) candidates(except slotSet) candidates {
	owned := q.e.observers()
	all := q.e.with(names)
	all = all.without(&except)
	c := candidates{trusted: all.without(&owned), observers: all.and(&owned)}
	for rest := c.trusted; ; {
		i, ok := rest.next()
		if !ok {
			return c
		}
		if rules[i].observes(q.e.values[i]) {
			c.observers.add(i)
		}
	}
}

// subject finds what the alert is about, by labels other than except:
//
//  1. a known node, by the most trusted label;
//  2. a known node, by the beginning of a name;
//  3. a place, when nothing runs there that the alert could rather be about;
//  4. an observer's own name, when nothing is said to be observed and the graph knows it;
//  5. a new name, by the most trusted label.
func (q *query) subject(except slotSet) (finding, bool) {
	c := q.candidates(except)
	trusted := c.trusted.without(&c.observers)
	if f, ok := q.known(trusted); ok {
		return f, true
	}
	if f, ok := q.knownPrefix(trusted); ok {
		return f, true
	}
	firm := trusted.and(roleMask(blocks))
	if firm.empty() || q.aboutPlace() {
		if f, ok := q.place(); ok {
			return f, true
		}
	}
	if firm.empty() {
		if f, ok := q.known(c.observers); ok {
			return f, true
		}
	}
	return q.fresh(trusted)
}

// known is the first candidate that the graph has.
func (q *query) known(from slotSet) (finding, bool) { return q.knownAs(from, false) }

// knownAs is known for a subject or for the end of an edge.
func (q *query) knownAs(from slotSet, isEnd bool) (finding, bool) {
	if q.g.Len() == 0 {
		return finding{}, false
	}
	for {
		i, ok := from.next()
		if !ok {
			return finding{}, false
		}
		r, value := &rules[i], q.e.values[i]
		if n, ok := q.match(r, value, isEnd); ok {
			return q.found(n, r, value), true
		}
	}
}

func (q *query) knownPrefix(from slotSet) (finding, bool) {
	if q.g.Len() == 0 {
		return finding{}, false
	}
	for {
		i, ok := from.next()
		if !ok {
			return finding{}, false
		}
		r, value := &rules[i], q.e.values[i]
		name := value
		switch r.form {
		case pod:
			name = stripPod(value)
		case plain, derived, run:
		default:
			continue
		}
		namespace, _ := q.namespaceFor(r)
		if n, ok := matchPrefix(q.g, r.form, name, namespace); ok {
			return q.found(n, r, value), true
		}
	}
}

// fresh is the most trusted name that is new to the graph. A value that was refused as
// the node of its name, because that is of another kind (a database called as a service
// is), must not come out as that node after all: it names nothing.
func (q *query) fresh(from slotSet) (finding, bool) {
	for {
		i, ok := from.next()
		if !ok {
			return finding{}, false
		}
		r, value := &rules[i], q.e.values[i]
		namespace, _ := q.namespaceFor(r)
		ref := r.fresh(value, namespace)
		if _, taken := q.g.Lookup(ref); ref.Name != "" && !taken {
			return finding{ref: ref, how: r.explain(value)}, true
		}
	}
}

// aboutPlace reports whether the alert's own name says that it is about a place, which
// then outweighs a scrape job that the graph does not know.
func (q *query) aboutPlace() bool {
	name := q.e.get(slotAlertname)
	for _, prefix := range []string{"Node", "Host", "KubeNode", "Kubelet"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return aboutZone(name)
}

func aboutZone(alertname string) bool {
	return strings.Contains(alertname, "Zone") || strings.Contains(alertname, "Region")
}

// place finds the host, zone or cluster. A zone label is on everything that runs in
// the zone, so a zone is taken over a host only when the alert's name speaks of one;
// a cluster only then and only when the graph has it.
func (q *query) place() (finding, bool) {
	order := []role{host, zone}
	if aboutZone(q.e.get(slotAlertname)) {
		order = []role{zone, host}
	}
	for _, r := range order {
		if f, ok := q.known(q.e.with(r)); ok {
			return f, true
		}
	}
	for _, r := range order {
		if r == zone && !aboutZone(q.e.get(slotAlertname)) {
			continue
		}
		if f, ok := q.fresh(q.e.with(r)); ok {
			f.ref.Namespace = "" // places are in no namespace
			return f, true
		}
	}
	if strings.Contains(q.e.get(slotAlertname), "Cluster") {
		return q.known(q.e.with(cluster))
	}
	return finding{}, false
}

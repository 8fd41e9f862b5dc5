package rollout

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/change"
	"github.com/headwater-sre/headwater/topology"
)

// Source is the value of [correlate.Change.Source].
const Source = "kubernetes"

// remembered is how long a workload without samples is still the one that it was.
const remembered = 24 * time.Hour

// kinds are the workloads, as kube-state-metrics names them.
var kinds = []string{"deployment", "statefulset", "daemonset"}

// query asks for the generations of all workloads, and for what tells a rollout from a
// change of scale. The observed generation stands in where the other is not collected.
func query(matchers string) string {
	names := `__name__=~"kube_(` + strings.Join(kinds, "|") + `)_(metadata_generation|status_observed_generation)|kube_deployment_spec_replicas|kube_statefulset_replicas"`
	if matchers != "" {
		names += "," + matchers
	}
	return "{" + names + "}"
}

// workload names one object.
type workload struct{ kind, namespace, name string }

func (w workload) compare(o workload) int {
	return cmp.Or(strings.Compare(w.namespace, o.namespace), strings.Compare(w.name, o.name), strings.Compare(w.kind, o.kind))
}

// state is a workload as last seen.
type state struct {
	generation, observed float64
	replicas             float64
	seen                 time.Time
}

// current is the generation to go by.
func (s state) current() float64 {
	if s.generation > 0 {
		return s.generation
	}
	return s.observed
}

// tracker finds what changed from one look to the next. The zero value has not looked.
type tracker struct {
	names  change.Names
	scale  bool // report changes of scale alone, too
	looked bool
	states map[workload]state
}

// look compares with the look before, and returns what changed, by namespace and name.
// The first look changes nothing.
func (t *tracker) look(samples []sample, at time.Time) (changes []*correlate.Change) {
	now := workloads(samples, at)
	first := !t.looked
	if first {
		t.looked, t.states = true, map[workload]state{}
	}
	for _, w := range slices.SortedFunc(maps.Keys(now), workload.compare) {
		next := now[w]
		if next.current() == 0 {
			continue // replicas alone say nothing
		}
		last, known := t.states[w]
		t.states[w] = next
		if first {
			continue
		}
		if c := t.change(w, last, next, known); c != nil {
			c.At, c.Source = at, Source
			if change.Admit(c) == nil { // names of Kubernetes are shorter than any bound
				changes = append(changes, c)
			}
		}
	}
	maps.DeleteFunc(t.states, func(_ workload, s state) bool { return at.Sub(s.seen) > remembered })
	return changes
}

func (t *tracker) change(w workload, last, next state, known bool) *correlate.Change {
	if known && last.current() == next.current() {
		return nil
	}
	service, found := t.names.Find(w.namespace + "/" + w.name)
	switch {
	case found && service.IsZero():
		return nil
	case !found:
		service = topology.Ref{Namespace: w.namespace, Name: w.name}
	}
	c := &correlate.Change{Service: service, Kind: "deploy"}
	scaled := known && last.replicas != next.replicas
	switch {
	case !known:
		c.Summary = w.kind + " created"
	case next.current() < last.current():
		c.Summary = w.kind + " created anew"
	case scaled && next.current() == last.current()+1:
		if !t.scale {
			return nil
		}
		c.Kind, c.Summary = "scale", fmt.Sprintf("%s scaled from %v to %v replicas", w.kind, last.replicas, next.replicas)
	default:
		c.Summary = fmt.Sprintf("%s changed: generation %v, was %v", w.kind, next.current(), last.current())
	}
	return c
}

// workloads gathers the samples by workload. Of several scrapes of one figure the highest counts.
func workloads(samples []sample, at time.Time) map[workload]state {
	found := map[workload]state{}
	for _, s := range samples {
		rest, ok := strings.CutPrefix(s.labels["__name__"], "kube_")
		kind, figure, _ := strings.Cut(rest, "_")
		w := workload{kind, s.labels["namespace"], s.labels[kind]}
		if !ok || w.name == "" || !(s.value >= 0) || math.IsInf(s.value, 0) {
			continue
		}
		st := found[w]
		st.seen = at
		switch figure {
		case "metadata_generation":
			st.generation = max(st.generation, s.value)
		case "status_observed_generation":
			st.observed = max(st.observed, s.value)
		case "spec_replicas", "replicas":
			st.replicas = max(st.replicas, s.value)
		}
		found[w] = st
	}
	return found
}

package topology

import (
	"fmt"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// The labels that relabel_configs set to decide a resolution.
const (
	TargetService              = "__service__"
	TargetNamespace            = "__namespace__"
	TargetSource               = "__source__"
	TargetSourceNamespace      = "__source_namespace__"
	TargetDestination          = "__destination__"
	TargetDestinationNamespace = "__destination_namespace__"
)

// ResolverConfig configures a Resolver. The zero value is the defaults alone.
type ResolverConfig struct {
	// Relabel runs on a copy of an alert's labels before the defaults look at them.
	// __service__ (with __namespace__) or __source__ and __destination__ decide; what
	// the rules do to ordinary labels is what the defaults then see. A rule that drops
	// the label set only ends relabelling: no alert is lost here.
	Relabel []*relabel.Config
}

// Resolver finds the service that an alert's labels speak of. It is immutable and safe
// for concurrent use.
type Resolver struct{ relabel []*relabel.Config }

// NewResolver validates the configuration and keeps a copy of it.
func NewResolver(cfg ResolverConfig) (*Resolver, error) {
	r := &Resolver{}
	for i, c := range cfg.Relabel {
		if c == nil {
			return nil, fmt.Errorf("relabel_configs[%d] is empty; remove it", i)
		}
		own := *c
		if err := own.Validate(model.UTF8Validation); err != nil {
			return nil, fmt.Errorf("relabel_configs[%d]: %w", i, err)
		}
		r.relabel = append(r.relabel, &own)
	}
	return r, nil
}

// Resolution is what an alert is about.
type Resolution struct {
	Service Ref    // what the alert is about; for an edge, the callee
	Source  Ref    // the caller's end of an edge, else zero
	Edge    bool   // the alert is about calls from Source to Service
	Mapped  bool   // false: no label named anything, and Service is a node for this alert alone
	How     string // for people: which label said so
}

// Resolve names the service that an alert with these labels is about. The labels are
// only read. A name that the graph knows is preferred over one that it does not, and
// comes back in the graph's own spelling; otherwise the most trusted label makes a new
// name. What names nothing is a node of its own, "unmapped:<alertname>…", never one that
// unrelated alerts share. g may be nil.
func (r *Resolver) Resolve(g *Graph, alert map[string]string) Resolution {
	q := query{g: g}
	if len(r.relabel) > 0 {
		if res, done := r.relabelled(&q, alert); done {
			return res
		}
	} else {
		for name, value := range alert {
			q.e.add(name, value)
		}
	}
	if res, ok := q.edge(); ok {
		return res
	}
	if f, ok := q.subject(slotSet{}); ok {
		return Resolution{Service: f.ref, Mapped: true, How: f.how}
	}
	return Resolution{Service: unmapped(alert), How: "no label names a service"}
}

// relabelled applies the configuration. When that does not decide, q holds the labels
// as they are afterwards.
func (r *Resolver) relabelled(q *query, alert map[string]string) (Resolution, bool) {
	b := labels.NewBuilder(labels.FromMap(alert))
	relabel.ProcessBuilder(b, r.relabel...)
	if res, done := q.decided(b); done {
		return res, true
	}
	b.Range(func(l labels.Label) { q.e.add(l.Name, l.Value) })
	return Resolution{}, false
}

// decided reads the target labels.
func (q *query) decided(b *labels.Builder) (Resolution, bool) {
	namespace := b.Get(TargetNamespace)
	named := func(name, ns string) Ref {
		ref := Ref{Namespace: b.Get(ns), Name: b.Get(name)}
		if ref.Namespace == "" {
			ref.Namespace = namespace
		}
		return q.canonical(ref)
	}
	const how = "relabel_configs"
	to := named(TargetDestination, TargetDestinationNamespace)
	if to.Name == "" {
		to = named(TargetService, TargetNamespace)
	}
	from := named(TargetSource, TargetSourceNamespace)
	switch {
	case to.Name == "":
		return Resolution{}, false
	case from.Name == "" || from == to:
		return Resolution{Service: to, Mapped: true, How: how}, true
	default:
		return Resolution{Service: to, Source: from, Edge: true, Mapped: true, How: how}, true
	}
}

// canonical is the graph's own spelling of a name that it knows.
func (q *query) canonical(ref Ref) Ref {
	if n, ok := q.g.Lookup(ref); ok {
		return q.g.Ref(n)
	}
	return ref
}

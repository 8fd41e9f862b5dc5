package correlate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/correlatetest"
	"github.com/headwater-sre/headwater/topology"
)

// separation is what one split by an operator put on two sides.
type separation struct{ rest, left []correlate.AlertID }

// Whatever happens after a split, no incident holds alerts of both sides until an
// operator merges.
func TestLesson13_WhatAnOperatorDividedNothingElseJoins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, l := newEngine(t, correlate.Config{}), correlatetest.NewLedger()
		var sides []separation
		for _, in := range drawCorrections(t) {
			c, _ := in.Signal.(*correlate.Command)
			if c == nil {
				c = &correlate.Command{}
			}
			source := members(l, c.Incident)
			d := e.Step(in)
			l.Apply(d)
			switch {
			case d.Rejected != "":
			case c.Kind == correlate.CommandMerge:
				sides = nil
			case c.Kind == correlate.CommandSplit, c.Kind == correlate.CommandDetach:
				s := separation{rest: members(l, c.Incident)}
				s.left = slices.DeleteFunc(source, func(id correlate.AlertID) bool { return slices.Contains(s.rest, id) })
				sides = append(sides, s)
			}
			for _, s := range sides {
				for _, a := range s.left {
					for _, b := range s.rest {
						if in := l.Alerts[a].Incident; in == l.Alerts[b].Incident && in != "" {
							t.Fatalf("%s holds %s and %s, which an operator divided", in, a, b)
						}
					}
				}
			}
		}
	})
}

func members(l *correlatetest.Ledger, incident string) []correlate.AlertID {
	var ids []correlate.AlertID
	for _, a := range l.Members(incident) {
		ids = append(ids, a.ID())
	}
	return ids
}

// bridge is a graph in which shop and blog share redis through sessions, and the alerts
// that show it late.
func bridge(t require) (*correlatetest.Ledger, func(correlate.Signal) *correlate.Delta) {
	spec := topology.Spec{Version: "1", Services: []topology.Service{{Name: "sessions"}, {Name: "redis", Kind: topology.KindCache}}}
	for _, d := range [][2]string{{"shop", "cart"}, {"cart", "sessions"}, {"blog", "profile"}, {"profile", "sessions"}, {"sessions", "redis"}} {
		spec.Dependencies = append(spec.Dependencies, topology.Dependency{From: topology.Ref{Name: d[0]}, To: topology.Ref{Name: d[1]}})
	}
	e, l := newEngine(t, correlate.Config{}), correlatetest.NewLedger()
	now, pos := epoch, uint64(0)
	step := func(s correlate.Signal) *correlate.Delta {
		pos++
		now = now.Add(4 * time.Second)
		d := e.Step(correlate.Input{Pos: pos, At: now, Signal: s})
		l.Apply(d)
		return d
	}
	step(&correlate.TopologyReport{Source: "test", Spec: spec})
	return l, step
}

func firing(fingerprint, service, name string, at time.Time) *correlate.AlertBatch {
	return &correlate.AlertBatch{Source: "alertmanager", Alerts: []correlate.Alert{{
		Fingerprint: fingerprint, StartsAt: at, Labels: map[string]string{"alertname": name, "service": service, "severity": "critical"},
	}}}
}

// A merge, by a late bridge or by an operator: the older id goes on and holds all alerts,
// the other one points to it, its page closes, no new page opens, and all of it is one step.
func TestLesson12_AMergeKeepsOneIDAndOnePageInOneStep(t *testing.T) {
	for name, join := range map[string]func(l *correlatetest.Ledger) []correlate.Signal{
		"late bridge": func(l *correlatetest.Ledger) []correlate.Signal {
			return []correlate.Signal{
				firing("00000000000000aa", "redis", "RedisDown", l.Meta.Now),
				firing("00000000000000ab", "sessions", "HighErrorRate", l.Meta.Now.Add(4*time.Second)),
				correlate.Tick{},
			}
		},
		"operator": func(*correlatetest.Ledger) []correlate.Signal {
			return []correlate.Signal{&correlate.Command{Kind: correlate.CommandMerge, Incident: "INC-1", Into: "INC-2", Actor: "oncall"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, step := bridge(t)
			step(firing("0000000000000001", "shop", "HighErrorRate", epoch))
			step(firing("0000000000000002", "blog", "HighErrorRate", epoch.Add(5*time.Second)))
			for range 9 {
				step(correlate.Tick{})
			}
			if l.Count(correlate.PageOpen) != 2 || l.Incidents["INC-2"] == nil {
				t.Fatalf("%d opening pages, want one for each of two incidents", l.Count(correlate.PageOpen))
			}
			var merge *correlate.Delta
			for _, s := range join(l) {
				if d := step(s); slices.ContainsFunc(d.Incidents, func(i *correlate.Incident) bool { return i.State == correlate.IncidentMerged }) {
					merge = d
				}
			}
			if merge == nil {
				t.Fatalf("nothing was merged: %s", partition(l))
			}
			gone, kept := l.Incidents["INC-2"], l.Incidents["INC-1"]
			if gone.MergedInto != "INC-1" || kept.State != correlate.IncidentOpen || !slices.Contains(kept.Merged, "INC-2") {
				t.Errorf("INC-2 is %s into %q, INC-1 is %s and holds %v", gone.State, gone.MergedInto, kept.State, kept.Merged)
			}
			if moved := slices.ContainsFunc(merge.Alerts, func(a *correlate.AlertState) bool {
				return a.Fingerprint == "0000000000000002" && a.Incident == "INC-1"
			}); !moved {
				t.Error("the other one's alert did not move in the step of the merge")
			}
			if !slices.ContainsFunc(merge.Pages, func(p *correlate.Page) bool {
				return p.Kind == correlate.PageResolve && p.DedupKey() == "incident/INC-2" && strings.HasPrefix(p.Reason, "merged into INC-1")
			}) {
				t.Error("the other one's page was not closed in the step of the merge")
			}
			if l.Count(correlate.PageOpen) != 2 || !l.Open("INC-1") || l.Open("INC-2") {
				t.Errorf("%d opening pages; on-call holds INC-1 %t, INC-2 %t", l.Count(correlate.PageOpen), l.Open("INC-1"), l.Open("INC-2"))
			}
		})
	}
}

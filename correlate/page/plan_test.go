package page

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
)

// house is a set of rules in memory.
type house struct {
	to       []target // of every opening page
	gone     map[target]bool
	edits    map[target]bool
	resolves map[target]bool
}

func (h *house) route(map[string]string) []target { return h.to }

func (h *house) refuses(t target, kind correlate.PageKind) string {
	switch {
	case h.gone[t]:
		return "gone"
	case kind == correlate.PageUpdate && !h.edits[t]:
		return "cannot edit"
	case kind == correlate.PageResolve && !h.resolves[t]:
		return "no resolve wanted"
	}
	return ""
}

// Whatever happens to attempts and in which order, each target gets what it should,
// once, in order, and everything comes to an end.
func TestPlan_EachTargetHearsAWholeStory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		targets := []target{{"a", "pagerduty", 0}, {"b", "slack", 0}, {"b", "slack", 1}}
		h := &house{gone: map[target]bool{}, edits: map[target]bool{}, resolves: map[target]bool{}}
		for _, to := range targets {
			h.edits[to] = rapid.Bool().Draw(t, "edits")
			h.resolves[to] = rapid.Bool().Draw(t, "resolves")
			if rapid.Bool().Draw(t, "routed") {
				h.to = append(h.to, to)
			}
		}
		kinds := drawStory(t)
		var s sheaf
		got := make(map[target][]uint64)
		busy := make(map[target]bool)
		var flying []send
		land := func() {
			i := rapid.IntRange(0, len(flying)-1).Draw(t, "lands")
			f := flying[i]
			flying = slices.Delete(flying, i, i+1)
			delete(busy, f.to)
			if rapid.Float64().Draw(t, "luck") < .6 {
				f.leaf.delivery(f.to).SentAt = began
				got[f.to] = append(got[f.to], f.leaf.Page.Seq)
			}
		}
		for len(kinds) > 0 || len(flying) > 0 || !allDone(s) {
			switch {
			case len(kinds) > 0 && rapid.Bool().Draw(t, "another page"):
				s = append(s, &leaf{OutboxEntry: &correlate.OutboxEntry{Page: &correlate.Page{Kind: kinds[0], Seq: uint64(len(s) + 1)}}})
				kinds = kinds[1:]
			case len(flying) > 0:
				land()
			}
			for _, f := range s.plan(h, busy) {
				if busy[f.to] {
					t.Fatalf("two pages under way to %v", f.to)
				}
				busy[f.to] = true
				flying = append(flying, f)
			}
		}
		for _, to := range targets {
			checkStory(t, s, h, to, got[to])
		}
	})
}

// drawStory draws kinds of pages in an order that the engine decides: opening,
// updates, resolve, and over again.
func drawStory(t *rapid.T) []correlate.PageKind {
	var kinds []correlate.PageKind
	for range rapid.IntRange(1, 3).Draw(t, "rounds") {
		kinds = append(kinds, correlate.PageOpen)
		for range rapid.IntRange(0, 3).Draw(t, "updates") {
			kinds = append(kinds, correlate.PageUpdate)
		}
		kinds = append(kinds, correlate.PageResolve)
	}
	return kinds
}

func checkStory(t *rapid.T, s sheaf, h *house, to target, got []uint64) {
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Fatalf("%v got %v: out of order or twice", to, got)
	}
	routed := slices.Contains(h.to, to)
	for _, l := range s {
		has := slices.Contains(got, l.Page.Seq)
		switch l.Page.Kind {
		case correlate.PageOpen:
			if has != routed {
				t.Fatalf("%v: opening page %d sent: %v, routed: %v", to, l.Page.Seq, has, routed)
			}
		case correlate.PageResolve:
			if want := routed && h.resolves[to]; has != want {
				t.Fatalf("%v: resolve %d sent: %v, want %v", to, l.Page.Seq, has, want)
			}
		case correlate.PageUpdate:
			if has && (!routed || !h.edits[to]) {
				t.Fatalf("%v: got update %d", to, l.Page.Seq)
			}
		}
	}
}

func allDone(s sheaf) bool {
	return !slices.ContainsFunc(s, func(l *leaf) bool { return !l.Done })
}

func TestPlan_ARenewedOpeningMeantForOthersIsAnUpdateToThoseWhoHaveItOpen(t *testing.T) {
	pager, hook, chat := target{"db", "pagerduty", 0}, target{"all", "webhook", 0}, target{"chat", "slack", 0}
	opened := &leaf{OutboxEntry: &correlate.OutboxEntry{Page: collapse(), Done: true, Deliveries: []correlate.Delivery{
		{Receiver: "all", Integration: "webhook", SentAt: began}, {Receiver: "chat", Integration: "slack", SentAt: began, Thread: "C/1"},
	}}}
	again := &leaf{OutboxEntry: &correlate.OutboxEntry{Page: &correlate.Page{Kind: correlate.PageOpen, Seq: 2, At: began}}}
	h := &house{to: []target{pager}, edits: map[target]bool{hook: true}}
	sends := sheaf{opened, again}.plan(h, nil)
	var to []target
	for _, s := range sends {
		to = append(to, s.to)
	}
	if !slices.Equal(to, []target{pager, hook}) {
		t.Errorf("sent to %v, want the routed one and the one that can edit", to)
	}
	if d := again.delivery(chat); d.Skipped != "cannot edit" {
		t.Errorf("chat: %+v", d)
	}
}

func TestPlan_AReceiverWithoutIntegrationsEndsThePage(t *testing.T) {
	r := routed(t, loaded(t, "receivers: [{name: nobody}]\nroute: {receiver: nobody}\n"))
	l := &leaf{OutboxEntry: &correlate.OutboxEntry{Page: collapse()}}
	if sends := (sheaf{l}).plan(r, nil); len(sends) != 0 || !l.Done || l.Deliveries[0].Skipped != "the receiver has no integrations" {
		t.Errorf("sends %v, record %+v", sends, l.OutboxEntry)
	}
}

func BenchmarkPlan(b *testing.B) {
	h := &house{to: []target{{"a", "pagerduty", 0}, {"b", "slack", 0}}, edits: map[target]bool{{"a", "pagerduty", 0}: true}}
	var done sheaf
	for i := range 200 {
		e := &correlate.OutboxEntry{Page: &correlate.Page{Kind: correlate.PageUpdate, Seq: uint64(i + 1)}, Done: true}
		if i == 0 {
			e.Page.Kind = correlate.PageOpen
		}
		e.Deliveries = []correlate.Delivery{{Receiver: "a", Integration: "pagerduty", SentAt: began}, {Receiver: "b", Integration: "slack", SentAt: began}}
		done = append(done, &leaf{OutboxEntry: e})
	}
	for b.Loop() {
		s := append(slices.Clone(done), &leaf{OutboxEntry: &correlate.OutboxEntry{Page: &correlate.Page{Kind: correlate.PageUpdate, Seq: 201, At: time.Time{}}}})
		if len(s.plan(h, nil)) != 1 {
			b.Fatal("want one page to send")
		}
	}
}

func BenchmarkSheet(b *testing.B) {
	p := collapse()
	for i := range 400 {
		p.Incident.Services = append(p.Incident.Services, struck(fmt.Sprint("service-", i), correlate.SeverityError, 2))
	}
	for b.Loop() {
		if a := newAlert(p, &p.Incident, here, began); len(a.Annotations) == 0 {
			b.Fatal("no annotations")
		}
	}
}

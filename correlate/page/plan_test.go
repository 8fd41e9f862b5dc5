package page

import (
	"fmt"
	"slices"
	"strings"
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

func (h *house) route(map[string]string, time.Time) []target { return h.to }

func (h *house) named(receivers []string) []target {
	var to []target
	for _, name := range receivers {
		to = append(to, target{receiver: name, integration: "pagerduty"})
	}
	return to
}

func (h *house) notices(labels map[string]string, _ time.Time) []target {
	return h.named([]string{labels["owner"]})
}

func (h *house) public() []target { return []target{{"status_pages", "status-page", 0}} }

func (h *house) folds(t target) bool { return t.integration == "pagerduty" }

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
		targets := []target{{"a", "pagerduty", 0}, {"b", "slack", 0}, {"b", "slack", 1}, {"lead", "pagerduty", 0}, {"owner", "pagerduty", 0}}
		h := &house{gone: map[target]bool{}, edits: map[target]bool{}, resolves: map[target]bool{}}
		for _, to := range targets {
			h.edits[to] = rapid.Bool().Draw(t, "edits")
			h.resolves[to] = rapid.Bool().Draw(t, "resolves")
			if rapid.Bool().Draw(t, "routed") {
				h.to = append(h.to, to)
			}
		}
		pages := drawStory(t)
		var s sheaf
		got := make(map[target][]uint64)
		shown := make(map[target]*screen)
		for _, to := range targets {
			shown[to] = &screen{open: map[string]bool{}}
		}
		busy := make(map[target]bool)
		var flying []send
		land := func() {
			i := rapid.IntRange(0, len(flying)-1).Draw(t, "lands")
			f := flying[i]
			flying = slices.Delete(flying, i, i+1)
			delete(busy, f.to)
			switch luck := rapid.Float64().Draw(t, "luck"); {
			case luck < .6:
				shown[f.to].take(f)
				d := f.leaf.delivery(f.to)
				if d.SentAt = began; f.kind.Rings() {
					d.Ring = f.leaf.Page.Ring
				}
				got[f.to] = append(got[f.to], f.leaf.Page.Seq)
			case luck < .8: // it arrived, and a crash came before the record
				f.closes = f.closes[:rapid.IntRange(0, len(f.closes)).Draw(t, "closed")]
				shown[f.to].take(f)
			default:
				f.leaf.delivery(f.to).Attempts++
			}
		}
		for len(pages) > 0 || len(flying) > 0 || !allDone(s) {
			switch {
			case len(pages) > 0 && rapid.Bool().Draw(t, "another page"):
				s = append(s, &leaf{OutboxEntry: &correlate.OutboxEntry{Page: pages[0]}})
				pages = pages[1:]
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
			if still := shown[to].open; len(still) > 0 && h.resolves[to] {
				t.Fatalf("all is over and %v still shows %v", to, still)
			}
		}
	})
}

// screen is a receiver that shows what it was sent, by key, until that is resolved.
type screen struct{ open map[string]bool }

func (s *screen) take(f send) {
	switch {
	case f.kind.Rings(), f.kind == correlate.PageNotice:
		s.open[f.key] = true
	case f.kind == correlate.PageResolve:
		delete(s.open, f.key)
	}
	for _, key := range f.closes {
		delete(s.open, key)
	}
}

// drawStory draws pages in an order that the engine decides: opening, then updates and
// rings, resolve, and over again. Notices and public updates come at any time.
func drawStory(t *rapid.T) []*correlate.Page {
	var pages []*correlate.Page
	rings := 0
	add := func(p correlate.Page) {
		if p.Incident.ID, p.Seq = "INC-1", uint64(len(pages)+1); p.Kind.Rings() {
			rings++
			p.Ring = rings
		}
		pages = append(pages, &p)
	}
	between := []correlate.Page{
		{Kind: correlate.PageUpdate},
		{Kind: correlate.PageRing},
		{Kind: correlate.PageRing, Newcomers: true},
		{Kind: correlate.PageEscalate, To: []string{"lead", "a"}},
		{Kind: correlate.PagePublicUpdate},
		{Kind: correlate.PageNotice, To: []string{"owner"}},
		{Kind: correlate.PageNotice, Owners: []string{"owner", "lead"}},
	}
	for range rapid.IntRange(1, 3).Draw(t, "rounds") {
		add(correlate.Page{Kind: correlate.PageOpen})
		for range rapid.IntRange(0, 4).Draw(t, "between") {
			add(rapid.SampledFrom(between).Draw(t, "page"))
		}
		add(correlate.Page{Kind: correlate.PageResolve})
	}
	return pages
}

func checkStory(t *rapid.T, s sheaf, h *house, to target, got []uint64) {
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Fatalf("%v got %v: out of order or twice", to, got)
	}
	open, noticed := false, false // at the target: open at all, and from a notice alone
	for _, l := range s {
		has, meant := slices.Contains(got, l.Page.Seq), l.isFor(to, h)
		switch l.Page.Kind {
		case correlate.PageOpen:
			if has != meant {
				t.Fatalf("%v: opening page %d sent: %v, routed: %v", to, l.Page.Seq, has, meant)
			}
		case correlate.PageRing, correlate.PageEscalate:
			if meant && (!open || noticed) && !has && !superseded(l, to) {
				t.Fatalf("%v: page %d is for it, and it got no page of the incident", to, l.Page.Seq)
			}
			if has && l.delivery(to).Ring > 0 && (!meant || open && !noticed && l.Page.Newcomers) {
				t.Fatalf("%v: page %d rang, for it: %v, had the incident: %v", to, l.Page.Seq, meant, open)
			}
		case correlate.PageNotice:
			if has && (open || !meant) {
				t.Fatalf("%v: got notice %d, open: %v, for it: %v", to, l.Page.Seq, open, meant)
			}
		case correlate.PageResolve:
			if want := open && h.resolves[to]; has != want {
				t.Fatalf("%v: resolve %d sent: %v, want %v", to, l.Page.Seq, has, want)
			}
			open, noticed = false, false
			continue
		case correlate.PageUpdate:
			if has && (!open || noticed || !h.edits[to]) {
				t.Fatalf("%v: got update %d", to, l.Page.Seq)
			}
		case correlate.PagePublicUpdate:
			if has {
				t.Fatalf("%v: got the public update %d", to, l.Page.Seq)
			}
		}
		if has && l.Page.Kind.Rings() && l.delivery(to).Ring > 0 {
			noticed = false
		}
		noticed = noticed || has && l.Page.Kind == correlate.PageNotice
		open = open || has && (meant || l.Page.Kind == correlate.PageNotice)
	}
	if open {
		t.Fatalf("%v: open at the end", to)
	}
}

// superseded reports whether the target did not get the page because of a later one.
func superseded(l *leaf, to target) bool {
	d := l.delivery(to)
	return d != nil && strings.HasPrefix(d.Skipped, "superseded")
}

// isFor reports whether the page names the target, by its route or outright.
func (l *leaf) isFor(to target, h *house) bool { return slices.Contains(l.recipients(h), to) }

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

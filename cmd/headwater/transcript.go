package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/cmd/headwater/day"
	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/page"
)

// transcript is what a rehearsal tells: what came in, and what came of it, in the order of
// the day's time. It belongs to the conductor's goroutine.
type transcript struct {
	out      io.Writer
	date     time.Time
	revision uint64 // up to which incidents were told

	flood   flood
	said    map[int]string    // what the lines of the day that monitoring repeats said last
	memory  map[string]string // what was said of earlier incidents, by incident
	told    map[string]int    // timeline entries that were told, by incident
	waiting map[correlate.PageKey]*correlate.OutboxEntry
	known   map[correlate.PageKey]*told
}

// told is what was written of a page.
type told struct {
	sent    map[string]bool // targets that have it
	failing map[string]bool // targets that refused it
}

// flood gathers notifications that nothing stands between.
type flood struct {
	from, to    time.Time
	fresh, over []string
}

func newTranscript(out io.Writer) *transcript {
	return &transcript{
		out: out, said: map[int]string{}, memory: map[string]string{}, told: map[string]int{}, waiting: map[correlate.PageKey]*correlate.OutboxEntry{}, known: map[correlate.PageKey]*told{},
	}
}

// head says what is played.
func (t *transcript) head(d *day.Day, c *config) {
	fmt.Fprintf(t.out, "Rehearsal from %s to %s UTC, environment %s\n", d.Begin.Format("2006-01-02 15:04"), d.End.Format("2006-01-02 15:04"), c.environment)
	if c.paging.LogOnly() {
		fmt.Fprintln(t.out, "There are no receivers: nobody would have been paged.")
	}
}

// leaves says what of the configuration a rehearsal leaves out.
func (t *transcript) leaves(c *config) {
	var out []string
	if n := len(c.sources); n > 0 {
		out = append(out, plural(n, "topology source")+" beside the files")
	}
	if n := len(c.signals.rollouts); n > 0 {
		out = append(out, plural(n, "server")+" with rollouts")
	}
	if c.probes.Labels != nil || len(c.probes.Checks)+len(c.probes.Prometheus) > 0 {
		out = append(out, "health checks of its own")
	}
	if len(out) > 0 {
		fmt.Fprintf(t.out, "Left out, for it reaches beyond this machine: %s\n", strings.Join(out, ", "))
	}
}

// stampWidth is the width of a line's time.
const stampWidth = len(time.TimeOnly)

// line writes what happened.
func (t *transcript) line(at time.Time, who, format string, args ...any) {
	t.drain()
	t.stamp(at)
	fmt.Fprintf(t.out, "%s  %-9s %s\n", at.Format(time.TimeOnly), who, fmt.Sprintf(format, args...))
}

// below writes what belongs to the line before.
func (t *transcript) below(format string, args ...any) {
	text := fmt.Sprintf("%*s  %s", stampWidth+11, "", fmt.Sprintf(format, args...))
	fmt.Fprintln(t.out, strings.TrimRight(text, " "))
}

func (t *transcript) stamp(at time.Time) {
	if date := at.Truncate(24 * time.Hour); !date.Equal(t.date) {
		t.date = date
		fmt.Fprintf(t.out, "\n%s\n\n", date.Format("Monday, 2006-01-02"))
	}
}

// refused writes that somebody's request was.
func (t *transcript) refused(format string, args ...any) {
	t.below("refused: %s", fmt.Sprintf(format, args...))
}

// posted writes what monitoring says. A notification that repeats is not worth a line.
func (t *transcript) posted(s *day.Step) {
	if s.Post.Says != "" && s.Post.Says == t.said[s.Line] {
		return
	}
	if t.said[s.Line] = s.Post.Says; s.Post.Says != "" {
		t.line(s.At, strings.TrimPrefix(s.Post.Path, "/webhook/"), "%s", s.Post.Says)
		return
	}
	if len(s.Post.Fresh)+len(s.Post.Over) == 0 {
		return
	}
	if begins := len(s.Post.Over) == 0; begins && len(t.flood.over) > 0 || !begins && len(t.flood.fresh) > 0 {
		t.drain()
	}
	f := &t.flood
	if f.from.IsZero() {
		f.from = s.At
	}
	f.to = s.At
	f.fresh, f.over = append(f.fresh, s.Post.Fresh...), append(f.over, s.Post.Over...)
}

// drain writes what was gathered of notifications.
func (t *transcript) drain() {
	f := t.flood
	t.flood = flood{}
	for _, part := range []struct {
		who   string
		names []string
	}{{"firing", f.fresh}, {"ended", f.over}} {
		if len(part.names) == 0 {
			continue
		}
		t.stamp(f.from)
		until := ""
		if f.to.After(f.from) {
			until = " until " + f.to.Format(time.TimeOnly)
		}
		fmt.Fprintf(t.out, "%s  %-9s %s%s\n", f.from.Format(time.TimeOnly), part.who, counted(part.names), until)
	}
}

// counted lists names, each once, with how often it is there.
func counted(names []string) string {
	n := map[string]int{}
	for _, name := range names {
		n[name]++
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(n)) {
		if n[name] > 1 {
			name = fmt.Sprintf("%s ×%d", name, n[name])
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

// untold are kinds of timeline entries that the transcript tells otherwise, or that are too
// many to be told.
var untold = []correlate.TimelineKind{
	correlate.TimelinePage, correlate.TimelineJoined, correlate.TimelineOrigin, correlate.TimelineChange,
}

// incidents writes what Headwater noted about them.
func (t *transcript) incidents(now time.Time, changed []*correlate.Incident) {
	slices.SortFunc(changed, func(a, b *correlate.Incident) int { return cmp.Compare(a.Number, b.Number) })
	for _, i := range changed {
		for n := t.told[i.ID]; n < len(i.Timeline); n++ {
			e := &i.Timeline[n]
			if !slices.Contains(untold, e.Kind) && (e.Actor == "" || e.Kind == correlate.TimelineMerged || e.Kind == correlate.TimelineSplit) {
				t.line(now, "headwater", "%s %s", i.ID, e.Text)
			}
		}
		t.told[i.ID] = len(i.Timeline)
	}
}

// gather takes a page of whose delivery there is news.
func (t *transcript) gather(p *correlate.OutboxEntry) { t.waiting[p.Page.Key()] = p }

// pages writes what was gathered, in the order of incidents and pages.
func (t *transcript) pages(now time.Time, external *url.URL) {
	keys := slices.SortedFunc(maps.Keys(t.waiting), func(a, b correlate.PageKey) int {
		return cmp.Or(cmp.Compare(len(a.Incident), len(b.Incident)), strings.Compare(a.Incident, b.Incident), cmp.Compare(a.Seq, b.Seq))
	})
	for _, key := range keys {
		t.page(now, t.waiting[key], external)
	}
	clear(t.waiting)
}

// words are what on-call would call the kinds of pages.
var words = map[correlate.PageKind]string{
	correlate.PageOpen: "PAGE", correlate.PageUpdate: "edit", correlate.PageResolve: "over", correlate.PageRing: "AGAIN",
	correlate.PageEscalate: "ESCALATE", correlate.PageNotice: "notice", correlate.PagePublicUpdate: "public",
}

func (t *transcript) page(now time.Time, p *correlate.OutboxEntry, external *url.URL) {
	first, lines, skipped := t.news(p)
	rings := p.Page.Kind.Rings()
	word := cmp.Or(words[p.Page.Kind], p.Page.Kind.String())
	if rings && len(lines) > 0 && !slices.ContainsFunc(lines, func(l string) bool { return !strings.HasPrefix(l, "to ") }) {
		rings, word = false, words[correlate.PageUpdate] // everybody had it
	}
	switch {
	case first:
		if len(lines) == 0 && !rings {
			return // an edit that nobody can show, or that the next page made needless
		}
		sheet := page.NewSheet(p.Page, strings.TrimRight(external.String(), "/"))
		t.line(now, word, "%s %s", p.Page.Incident.ID, sheet.Title)
		if p.Page.Reason != "" {
			t.below("%s", p.Page.Reason)
		}
		t.text(p.Page, sheet.Text(), rings)
	case len(lines) == 0:
		return
	default:
		t.line(now, word, "%s, page %d", p.Page.Incident.ID, p.Page.Seq)
	}
	if len(lines) == 0 {
		lines = []string{"to nobody: " + strings.Join(skipped, "; ")}
	}
	for _, line := range lines {
		t.below("%s", line)
	}
}

// remembered begins the lines of a page that an edit is worth reading for.
const remembered = "Seen before"

// text writes a page's text when it rings, and of an edit what it says for the first time of
// earlier incidents.
func (t *transcript) text(p *correlate.Page, text string, rings bool) {
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		line = strings.TrimRight(line, "\n")
		seen := strings.HasPrefix(line, remembered)
		if rings || seen && t.memory[p.Incident.ID] != line {
			t.below("│ %s", line)
		}
		if seen {
			t.memory[p.Incident.ID] = line
		}
	}
}

// news says who got a page since it was last told, and who did not; first: it was not told before.
func (t *transcript) news(p *correlate.OutboxEntry) (first bool, lines, skipped []string) {
	key := p.Page.Key()
	k := t.known[key]
	if first = k == nil; first {
		k = &told{sent: map[string]bool{}, failing: map[string]bool{}}
		t.known[key] = k
	}
	var rang, got, failing []string
	for i := range p.Deliveries {
		d := &p.Deliveries[i]
		to := fmt.Sprintf("%s (%s)", d.Receiver, d.Integration)
		id := fmt.Sprintf("%s/%d", to, d.Index)
		switch {
		case d.Skipped != "":
			skipped = append(skipped, to+": "+d.Skipped)
		case !d.SentAt.IsZero() && !k.sent[id]:
			k.sent[id] = true
			if d.Attempts > 1 {
				to += fmt.Sprintf(" at the %d. attempt", d.Attempts)
			}
			if d.Ring > 0 {
				rang = append(rang, to)
			} else {
				got = append(got, to)
			}
		case d.SentAt.IsZero() && d.LastError != "" && !k.failing[id]:
			k.failing[id] = true
			failing = append(failing, fmt.Sprintf("%s: %s", to, d.LastError))
		}
	}
	for _, part := range []struct {
		word  string
		names []string
	}{{"rings ", rang}, {"to ", got}, {"NOT to ", failing}} {
		if len(part.names) > 0 {
			slices.Sort(part.names)
			lines = append(lines, part.word+strings.Join(part.names, ", "))
		}
	}
	return first, lines, skipped
}

package page

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// Bulletin is what a page says that no incident stands behind: that correlation is down, that no
// alerts arrive. It reaches receivers in the form that an incident's page has.
type Bulletin struct {
	// ID names it at receivers, in the place of an incident's id; it keeps it for as long as it stands.
	ID          string
	Title       string
	Severity    correlate.Severity
	Environment string
	// Since is when began what it tells of.
	Since time.Time
	// Reason says what is new in an edit, and why it is over at the end.
	Reason   string
	Sections []Section
}

// The bounds of a bulletin: receivers cut or refuse more.
const (
	maxBulletinSections = 8
	maxBulletinLines    = 25
)

// page is the page that carries the bulletin.
func (b *Bulletin) page(kind correlate.PageKind, seq uint64, at time.Time) *correlate.Page {
	inc := correlate.Incident{
		ID: b.ID, Title: b.Title, Severity: b.Severity, Environment: b.Environment, StartedAt: b.Since, OpenedAt: b.Since,
	}
	if kind == correlate.PageResolve {
		inc.State, inc.ResolvedAt = correlate.IncidentResolved, at
	}
	return &correlate.Page{Incident: inc, Seq: seq, Kind: kind, At: at, Reason: b.Reason}
}

// sheet words the page. It links to nothing: what a link leads to may be what is down.
func (b *Bulletin) sheet(p *correlate.Page) *Sheet {
	s := &Sheet{
		Kind: p.Kind.String(), Title: line(b.Title), Short: cut(line(b.Title), 130), Incident: b.ID, Severity: b.Severity.String(),
		Reason: line(p.Reason), At: p.At.UTC(), StartedAt: b.Since.UTC(), Environment: line(b.Environment),
	}
	if p.Kind == correlate.PageResolve {
		s.EndedAt = endOf(p).UTC()
		s.Title, s.Short = "Over: "+s.Title, cut("Over: "+s.Title, 130)
	}
	s.Since = since(b.Since, s.end())
	for _, sec := range b.Sections[:min(len(b.Sections), maxBulletinSections)] {
		if len(sec.Lines) > 0 {
			s.Said = append(s.Said, Section{line(sec.Label), lines(sec.Lines, maxBulletinLines)})
		}
	}
	if len(s.Said) == 0 {
		s.Said = []Section{{"Note", []string{s.Title}}}
	}
	return s
}

func cut(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// Once makes one attempt to have each integration of a receiver take a bulletin, all at the same
// time, and remembers nothing of it. It returns nil when one took it, else why none did. It is
// for what is worth nothing later, such as a heartbeat.
func (p *Pager) Once(ctx context.Context, receiver string, b *Bulletin) error {
	r := p.routing.Load()
	targets := r.named([]string{receiver})
	if len(targets) == 0 {
		return fmt.Errorf("there is no receiver %q", receiver)
	}
	ctx, cancel := context.WithTimeout(ctx, p.opts.AttemptTimeout)
	defer cancel()
	errs := make([]error, len(targets))
	var all sync.WaitGroup
	for i, t := range targets {
		all.Go(func() { errs[i] = p.once(ctx, r, t, b) })
	}
	all.Wait()
	for _, err := range errs {
		if err == nil {
			return nil
		}
	}
	return errors.Join(errs...)
}

func (p *Pager) once(ctx context.Context, r *routing, t target, b *Bulletin) error {
	in := r.targets[t]
	if in == nil {
		return fmt.Errorf("receiver %q has no integrations", t.receiver)
	}
	select {
	case in.slots <- struct{}{}:
		defer func() { <-in.slots }()
	case <-ctx.Done():
		return fmt.Errorf("%s/%s[%d]: other pages were under way for too long", t.receiver, t.integration, t.index)
	}
	page := b.page(correlate.PageOpen, 1, time.Now())
	s := send{leaf: &leaf{OutboxEntry: &correlate.OutboxEntry{Page: page}}, to: t, kind: page.Kind, opening: &page.Incident, key: page.DedupKey()}
	said, _ := noticeContext(ctx, r, s)
	if _, err := in.notify.Notify(said, alertSaying(b.sheet(page), page, s.opening, page.At)); err != nil {
		return fmt.Errorf("%s/%s[%d]: %w", t.receiver, t.integration, t.index, redacted(err))
	}
	return nil
}

package page

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// journalBytes is the size of a journal. It is written in full when it is made, so that a disk
// that is full later keeps nobody from writing it over; some hundred bulletins fit.
const journalBytes = 64 << 10

// standingBulletin is a bulletin that somebody got and that is not over, as a journal has it.
type standingBulletin struct {
	ID          string               `json:"id"`
	Title       string               `json:"title"`
	Severity    correlate.Severity   `json:"severity"`
	Environment string               `json:"environment"`
	Since       time.Time            `json:"since"`
	Ring        int                  `json:"ring"`
	Deliveries  []correlate.Delivery `json:"deliveries"`
}

// journal is a file that outlives the desk: who has which bulletin.
type journal struct {
	file  *os.File
	dirty chan struct{} // one token: the latest state is written, whatever the number of changes
}

// openJournal opens the file, which it makes if need be, and returns what stands in it.
func openJournal(path string) (*journal, []standingBulletin, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, journalBytes))
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	var standing []standingBulletin
	if text = bytes.TrimRight(text, "\x00"); len(text) > 0 {
		if err := json.Unmarshal(text, &standing); err != nil {
			standing = nil // torn by a crash: what it said is not known
		}
	}
	j := &journal{file: f, dirty: make(chan struct{}, 1)}
	if err := j.write(standing); err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return j, standing, nil
}

// write replaces the journal's content. Of what does not fit the latest is left out.
func (j *journal) write(standing []standingBulletin) error {
	text, err := json.Marshal(standing)
	for err == nil && len(text) > journalBytes {
		standing = standing[:len(standing)*3/4]
		text, err = json.Marshal(standing)
	}
	if err != nil {
		return err
	}
	if _, err := j.file.WriteAt(append(text, make([]byte, journalBytes-len(text))...), 0); err != nil {
		return err
	}
	return j.file.Sync()
}

// Journal has the desk remember in a file who has which bulletin, so that those which nobody
// ended before the process did are ended by the next one. It is called before Run. Delivery never
// waits for the file.
func (d *Desk) Journal(path string) error {
	j, standing, err := openJournal(path)
	if err != nil {
		return fmt.Errorf("journal of bulletins: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.journal = j
	for _, s := range standing {
		d.inherit(s)
	}
	return nil
}

// inherit ends a bulletin of an earlier process. The caller holds mu.
func (d *Desk) inherit(s standingBulletin) {
	b := Bulletin{
		ID: s.ID, Title: s.Title, Severity: s.Severity, Environment: s.Environment, Since: s.Since,
		Reason: "Headwater was started anew; what still stands is told anew",
	}
	p := &posted{opens: s.Ring, words: map[uint64]Bulletin{}}
	d.posted[s.ID] = p
	d.seq++
	opening := b.page(correlate.PageOpen, d.seq, s.Since)
	opening.Ring = s.Ring
	p.entries = append(p.entries, &correlate.OutboxEntry{Page: opening, Deliveries: s.Deliveries, Done: true})
	d.add(p, correlate.PageResolve, b)
}

// noteStanding has the journal written. The caller holds mu.
func (d *Desk) noteStanding() {
	if d.journal == nil {
		return
	}
	select {
	case d.journal.dirty <- struct{}{}:
	default: // it will be written anyway
	}
}

// standing are the bulletins that somebody got and nobody ended, the oldest first.
func (d *Desk) standing() []standingBulletin {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []standingBulletin
	for id, p := range d.posted {
		for _, e := range p.entries {
			got := slices.DeleteFunc(slices.Clone(e.Deliveries), func(d correlate.Delivery) bool { return d.SentAt.IsZero() })
			if e.Page.Kind != correlate.PageOpen || len(got) == 0 {
				continue
			}
			i := &e.Page.Incident
			list = append(list, standingBulletin{id, i.Title, i.Severity, i.Environment, i.StartedAt, e.Page.Ring, got})
		}
	}
	slices.SortFunc(list, func(a, b standingBulletin) int { return a.Since.Compare(b.Since) })
	return list
}

// keep writes the journal until ctx ends.
func (j *journal) keep(ctx context.Context, d *Desk) {
	defer func() { _ = j.file.Close() }()
	failed := false
	for {
		ended := false
		select {
		case <-j.dirty:
		case <-ctx.Done():
			ended = true // what changed last is written all the same
		}
		err := j.write(d.standing())
		if err != nil && !failed && !errors.Is(err, os.ErrClosed) {
			d.pager.opts.Logger.Warn("Cannot write down who has which page of last resort; a restart will not end them", "err", err)
		}
		failed = err != nil
		if ended {
			return
		}
	}
}

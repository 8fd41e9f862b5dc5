package audit

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// MaxFindings bounds the findings that are told. The rest is counted.
const MaxFindings = 1000

// maxReasons bounds the reasons of pages that are told apart.
const maxReasons = 40

// Window is what an audit looks at.
type Window struct {
	Since time.Time // first moment
	Until time.Time // end, not in it
	// Now is when the rows were read: what was due before is judged.
	Now time.Time
	// Applied is the stream position that the rows stand for.
	Applied uint64
}

func (w *Window) holds(t time.Time) bool { return !t.Before(w.Since) && t.Before(w.Until) }

// Rules bound when something must have happened.
type Rules struct {
	// Config is the engine's, with its defaults: its hold and settling time, and what it takes
	// for worth a page.
	Config correlate.Config
	// Grace is how long a page may take from its due time to a receiver.
	Grace time.Duration
}

// DefaultGrace is what is promised: a page arrives within 5 s of its due time.
const DefaultGrace = 5 * time.Second

// Bound is how long after its arrival an alert must have been placed at the latest, and a page
// for it be on its way when nothing holds it by name.
func (r *Rules) Bound() time.Duration { return r.Config.Settle + r.Config.Hold + r.Grace }

// Audit gathers rows. It belongs to one goroutine.
type Audit struct {
	rules  Rules
	window Window

	incidents map[string]*standing
	known     map[uint64]struct{} // label sets of which there is a row

	alerts     Tally
	fates      [fateKinds]Tally
	reasons    [fateKinds]string
	touched    IncidentTally
	pages      map[pageKey]int
	deliveries map[place]*DeliveryTally
	stream     *StreamTally

	found  map[findingKey]*Finding
	untold map[Kind]int // beyond MaxFindings
}

// fateKinds is the number of fates.
const fateKinds = int(correlate.FateMuted) + 1

type pageKey struct {
	kind   correlate.PageKind
	reason string
}

// place is one integration of one receiver.
type place struct {
	receiver, integration string
	index                 int
}

func placeOf(d *correlate.Delivery) place { return place{d.Receiver, d.Integration, d.Index} }

type findingKey struct {
	kind            Kind
	about, receiver string
}

// New returns an audit of a window that has seen nothing yet.
func New(rules Rules, window Window) *Audit {
	return &Audit{
		rules: rules, window: window,
		incidents: map[string]*standing{}, known: map[uint64]struct{}{},
		pages: map[pageKey]int{}, deliveries: map[place]*DeliveryTally{},
		found: map[findingKey]*Finding{}, untold: map[Kind]int{},
	}
}

// find notes a finding. Those of one kind about one thing are one, of so many alerts.
func (a *Audit) find(f Finding) {
	key := f.key()
	old := a.found[key]
	switch {
	case old == nil && len(a.found) < MaxFindings:
		a.found[key] = &f
	case old == nil:
		a.untold[f.Kind] += f.weight()
	default:
		old.Alerts += f.Alerts
		if f.Alerts > 0 && (old.Alert == "" || f.Since.Before(old.Since)) {
			old.Alert, old.Name = f.Alert, f.Name
		}
		if f.Since.Before(old.Since) {
			old.Since = f.Since
		}
	}
}

// Alert takes an alert's row. All incidents of the window must have been given before.
func (a *Audit) Alert(row *correlate.AlertState) {
	a.known[labelSet(row.Fingerprint)] = struct{}{}
	if !a.window.holds(row.FirstSeen) {
		return
	}
	worthy := a.rules.Config.Worthy(row)
	a.alerts.count(worthy)
	if kind := int(row.Fate.Kind); kind < fateKinds {
		a.fates[kind].count(worthy)
		a.reasons[kind] = cmp.Or(a.reasons[kind], row.Fate.Text)
	}
	if wrong, kind := a.judge(row, worthy); wrong != "" {
		a.find(Finding{
			Kind: kind, Incident: row.Incident, Alert: row.ID().String(), Name: row.Labels["alertname"],
			Text: wrong, Since: row.FirstSeen, Alerts: 1,
		})
	}
}

func (t *Tally) count(worthy bool) {
	t.Alerts++
	if worthy {
		t.Worthy++
	}
}

// judge says in words what is wrong with how an alert ended, "" when nothing is.
func (a *Audit) judge(row *correlate.AlertState, worthy bool) (wrong string, kind Kind) {
	in, known := a.incidents[row.Incident]
	switch {
	case row.Fate.Text == "":
		return fmt.Sprintf("is %s without a reason", row.Fate.Kind), Unexplained
	case row.Incident != "" && !known && row.Fate.Kind == correlate.FatePaged:
		return fmt.Sprintf("counts as paged by %s, which does not exist", row.Incident), Unexplained
	}
	switch row.Fate.Kind {
	case correlate.FatePaged, correlate.FateFlapping:
		return a.uncovered(in, row), Swallowed
	case correlate.FateHeld:
		return a.overdue(in, row, worthy), Swallowed
	case correlate.FatePending:
		if late := a.window.Now.Sub(row.FirstSeen) - a.rules.Config.Settle - a.rules.Grace; worthy && late > 0 {
			return fmt.Sprintf("came %s ago and has not been placed yet", a.ago(row.FirstSeen)), Swallowed
		}
	}
	return "", Swallowed // the reason is written
}

// uncovered says why the page that an alert counts on covers nobody.
func (a *Audit) uncovered(in *standing, row *correlate.AlertState) string {
	best := coverNone
	var of *standing
	for _, s := range a.related(in) {
		if c := s.cover(a); c > best || of == nil {
			best, of = c, s
		}
	}
	switch {
	case best >= coverExcused:
		return ""
	case row.Fate.Kind == correlate.FateFlapping && (of == nil || of.opens == 0):
		return "" // its reason says why it has no page of its own
	case of == nil || of.opens == 0:
		return fmt.Sprintf("counts as paged (%s), and no opening page was decided", row.Fate.Text)
	}
	return of.undelivered(a)
}

// overdue says how long the page that an alert is held for should have left.
func (a *Audit) overdue(in *standing, row *correlate.AlertState, worthy bool) string {
	if !worthy {
		return "" // whatever becomes of its incident
	}
	due := row.FirstSeen.Add(a.rules.Config.Settle + a.rules.Config.Hold)
	if in != nil && !in.due.IsZero() {
		due = in.due
	}
	if late := a.window.Now.Sub(due); late > a.rules.Grace {
		return fmt.Sprintf("held for a page that was due %s ago and was not decided", a.ago(due))
	}
	return ""
}

func (a *Audit) ago(t time.Time) string {
	return max(0, a.window.Now.Sub(t)).Round(time.Second).String()
}

// Entry takes an entry of the stream. All alerts must have been given before.
func (a *Audit) Entry(in correlate.Input) {
	if !a.window.holds(in.At) {
		return
	}
	if a.stream == nil {
		a.stream = &StreamTally{}
	}
	a.stream.Entries++
	unapplied := in.Pos > a.window.Applied
	if unapplied {
		a.stream.Unapplied++
	}
	batch, ok := in.Signal.(*correlate.AlertBatch)
	if !ok {
		return
	}
	a.stream.Notifications++
	a.stream.Alerts += len(batch.Alerts)
	for i := range batch.Alerts {
		a.entered(&batch.Alerts[i], in, unapplied)
	}
}

// entered judges one alert of the stream.
func (a *Audit) entered(alert *correlate.Alert, in correlate.Input, unapplied bool) {
	f := Finding{Alert: alert.ID().String(), Name: alert.Labels["alertname"], Since: in.At, Alerts: 1}
	_, known := a.known[labelSet(alert.Fingerprint)]
	switch {
	case known:
		return // what became of it is in its row
	case !unapplied:
		f.Kind, f.Text = Lost, fmt.Sprintf("was taken as entry %d of the stream, and there is no row of it", in.Pos)
	case a.window.Now.Sub(in.At) > a.rules.Bound() && a.rules.Config.WorthyOnArrival(alert, in.At):
		f.Kind, f.Text = Swallowed, fmt.Sprintf("was taken %s ago as entry %d of the stream, and correlation has not come to it", a.ago(in.At), in.Pos)
	default:
		return
	}
	a.find(f)
}

// labelSet is a fingerprint in eight bytes: the sixteen digits that it mostly is, else a hash.
func labelSet(fingerprint string) uint64 {
	if n, err := strconv.ParseUint(fingerprint, 16, 64); err == nil {
		return n
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(fingerprint)) // never fails
	return h.Sum64()
}

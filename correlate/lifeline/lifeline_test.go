package lifeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/page"
)

// world is everything around a lifeline, in memory. Its fields are set by tests while the
// lifeline rests.
type world struct {
	*Lifeline
	t *testing.T

	mu      sync.Mutex
	applied uint64
	stuck   error // what Ready says
	down    error // what the stream says
	rowsErr error
	entries []correlate.Input
	alerts  map[correlate.AlertID]*correlate.AlertState
	rows    map[string]*correlate.Incident
	changed []string // ids, in the order of their changes
	pages   map[string][]*correlate.OutboxEntry
	taken   map[correlate.PageKey]bool
	desk    []string // what was posted and ended
	last    page.Bulletin
	to      []string
	once    []string
	refuses error
}

func newWorld(t *testing.T, change ...func(*Settings)) *world {
	w := &world{
		t: t, alerts: map[correlate.AlertID]*correlate.AlertState{}, rows: map[string]*correlate.Incident{},
		pages: map[string][]*correlate.OutboxEntry{}, taken: map[correlate.PageKey]bool{},
	}
	s := Settings{Environment: "prod", Fallback: "oncall"}
	for _, c := range change {
		c(&s)
	}
	var err error
	w.Lifeline, err = New(Options{Settings: s, Correlator: w, Stream: w, Rows: rowsOf{w}, Desk: w, Pager: w, Intake: func(context.Context) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// inWorld runs a test inside a bubble, with a lifeline that runs.
func inWorld(t *testing.T, test func(t *testing.T, w *world), change ...func(*Settings)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change...)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _ = w.Run(ctx) })
		all.Go(func() { _ = w.Beat(ctx) })
		test(t, w)
		cancel()
		all.Wait()
	})
}

func (w *world) Applied() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.applied
}
func (w *world) Ready() error   { w.mu.Lock(); defer w.mu.Unlock(); return w.stuck }
func (w *world) Healthy() error { w.mu.Lock(); defer w.mu.Unlock(); return w.down }

func (w *world) Wait(ctx context.Context, pos uint64) (string, error) {
	if w.Applied() >= pos {
		return "", nil
	}
	<-ctx.Done()
	return "", ctx.Err()
}

func (w *world) Publish(context.Context, correlate.Signal) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down != nil {
		return 0, w.down
	}
	w.entries = append(w.entries, correlate.Input{Pos: uint64(len(w.entries) + 1), At: time.Now(), Signal: correlate.Tick{}})
	if w.stuck == nil {
		w.applied = uint64(len(w.entries))
	}
	return uint64(len(w.entries)), nil
}

func (w *world) ReadAfter(_ context.Context, after uint64, fn func(correlate.Input) (bool, error)) error {
	w.mu.Lock()
	list := slices.Clone(w.entries)
	w.mu.Unlock()
	for _, in := range list {
		if in.Pos > after {
			if more, err := fn(in); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

func (w *world) Post(to []string, b page.Bulletin) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.desk, w.last, w.to = append(w.desk, "post "+b.ID), b, to
	return true
}

func (w *world) End(id, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.desk = append(w.desk, "end "+id+": "+reason)
}

func (w *world) Undelivered() int { return 0 }

func (w *world) Taken(key correlate.PageKey) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.taken[key]
}

func (w *world) Once(_ context.Context, receiver string, b *page.Bulletin) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuses != nil {
		return w.refuses
	}
	w.once = append(w.once, receiver+" "+b.ID)
	return nil
}

// rowsOf are the rows of a world.
type rowsOf struct{ w *world }

func (r rowsOf) Alert(_ context.Context, id correlate.AlertID) (*correlate.AlertState, error) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	return r.w.alerts[id], r.w.rowsErr
}

func (r rowsOf) PendingAlerts(_ context.Context, fn func(*correlate.AlertState) bool) error {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	for _, row := range r.w.alerts {
		if row.Fate.Kind == correlate.FatePending && !fn(row) {
			break
		}
	}
	return r.w.rowsErr
}

func (r rowsOf) Incident(_ context.Context, id string) (*correlate.Incident, error) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	return r.w.rows[id], r.w.rowsErr
}

func (r rowsOf) ChangedIncidents(_ context.Context, after uint64, fn func(*correlate.Incident) bool) (uint64, error) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	for _, id := range r.w.changed[min(after, uint64(len(r.w.changed))):] {
		fn(r.w.rows[id])
	}
	return uint64(len(r.w.changed)), r.w.rowsErr
}

func (r rowsOf) Pages(_ context.Context, incident string) ([]*correlate.OutboxEntry, error) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	return r.w.pages[incident], r.w.rowsErr
}

func (r rowsOf) PendingPages(context.Context, int) ([]*correlate.OutboxEntry, error) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	var pending []*correlate.OutboxEntry
	for _, list := range r.w.pages {
		for _, p := range list {
			if !p.Done {
				pending = append(pending, p)
			}
		}
	}
	return pending, r.w.rowsErr
}

func (r rowsOf) Now(context.Context) (time.Time, error) { return time.Now(), r.w.rowsErr }

// set changes the world, and after lets time pass in it.
func (w *world) set(change func()) {
	w.mu.Lock()
	change()
	w.mu.Unlock()
}

func (w *world) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// alert is a firing alert of a group.
func alert(name, severity string) correlate.Alert {
	return correlate.Alert{
		Fingerprint: fmt.Sprintf("%016x", len(name)*1000+int(name[len(name)-1])), StartsAt: time.Now().Truncate(time.Second),
		Labels:      map[string]string{"alertname": name, "severity": severity, "service": "cart", "namespace": "shop"},
		Annotations: map[string]string{"summary": "5xx over 5 %", "runbook_url": "https://runbooks.example/" + name},
	}
}

// take is a notification: accepted at the next position, or refused.
func (w *world) take(refused bool, alerts ...correlate.Alert) {
	b := &correlate.AlertBatch{Source: "alertmanager", ExternalURL: "http://am", GroupKey: "{}:{service=\"cart\"}", Receiver: "headwater", Alerts: alerts}
	pos := uint64(0)
	if !refused {
		w.set(func() {
			pos = uint64(len(w.entries) + 1)
			w.entries = append(w.entries, correlate.Input{Pos: pos, At: time.Now(), Signal: b})
		})
	}
	w.Took(b, time.Now(), pos)
}

// wantDesk compares what was posted and ended since the start.
func (w *world) wantDesk(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.EqualFunc(w.desk, want, strings.HasPrefix) {
		w.t.Errorf("the desk got %q, want %q", w.desk, want)
	}
}

// paged is the row of an alert that is covered by the page of an incident.
func (w *world) paged(a correlate.Alert, incident string) {
	w.alerts[a.ID()] = &correlate.AlertState{Alert: a, Incident: incident, Fate: correlate.Fate{Kind: correlate.FatePaged, Text: "covered by the opening page of " + incident}}
	w.rows[incident] = &correlate.Incident{ID: incident, Paging: correlate.Paging{Opens: 1}}
	w.changed = append(w.changed, incident)
	w.pages[incident] = []*correlate.OutboxEntry{{
		Page: &correlate.Page{Incident: correlate.Incident{ID: incident}, Seq: 1, Kind: correlate.PageOpen, At: time.Now(), Ring: 1},
		Done: true, Deliveries: []correlate.Delivery{{Receiver: "oncall", SentAt: time.Now()}},
	}}
}

const rawPage = "post failopen-"

// The default bound: hold 30 s, settle 1 s, grace 5 s, and a look each second.
const defaultBound = 37 * time.Second

func TestWhatCorrelationDoesNotGetToIsPagedAsReceivedAndTakenBackWhenTheRealPageWasSent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set(func() { w.stuck = errors.New("commit: no space left on device") })
		a, b := alert("HighErrorRate", "critical"), alert("HighLatency", "warning")
		w.take(false, a, b)
		w.after(defaultBound - 2*time.Second)
		w.wantDesk()
		w.after(2 * time.Second)
		w.wantDesk(rawPage)
		if w.last.Title != "[CRITICAL] HighErrorRate on shop/cart and 1 more alert, as received: Headwater's correlation is down" || !slices.Equal(w.to, []string{"oncall"}) {
			t.Errorf("title %q to %v", w.last.Title, w.to)
		}
		text := fmt.Sprint(w.last.Sections)
		for _, want := range []string{"no space left on device", "critical HighErrorRate on shop/cart since", "5xx over 5 %", "https://runbooks.example/HighLatency", "http://am"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", text, want)
			}
		}
		if w.Trouble() == nil {
			t.Error("all is said to be well")
		}
		// Applied, and its page is decided: not before a receiver has it is ours over.
		w.set(func() {
			w.stuck, w.applied = nil, 1
			w.paged(a, "INC-7")
			w.paged(b, "INC-7")
			w.pages["INC-7"][0].Done, w.pages["INC-7"][0].Deliveries = false, nil
		})
		w.after(5 * time.Second)
		w.wantDesk(rawPage)
		w.set(func() { w.taken[correlate.PageKey{Incident: "INC-7", Seq: 1}] = true })
		w.after(2 * time.Second)
		w.wantDesk(rawPage, "end failopen-")
		if !strings.HasSuffix(w.desk[1], ": correlation works again: INC-7 took over") {
			t.Errorf("ended with %q", w.desk[1])
		}
		if w.Trouble() != nil || w.ledger.len() != 0 {
			t.Errorf("still %v, %d in the ledger", w.Trouble(), w.ledger.len())
		}
	})
}

func TestNothingIsPagedForWhatIsAppliedInTimeOrNotWorthAPage(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.take(false, alert("HighErrorRate", "critical"))
		w.after(30 * time.Second)
		w.set(func() { w.applied = 1 })
		w.take(true, alert("Watchdog", "none"), alert("CertificateExpiresSoon", "warning"), alert("Trifle", "info"))
		old := alert("Ancient", "critical")
		old.StartsAt = old.StartsAt.Add(-7 * time.Hour)
		muted := alert("Silenced", "critical")
		muted.Muted = "silenced by 4e2a"
		w.take(true, old, muted)
		known := alert("Known", "critical")
		w.set(func() {
			w.alerts[known.ID()] = &correlate.AlertState{Alert: known, Fate: correlate.Fate{Kind: correlate.FatePaged}}
		})
		w.take(true, known) // sent again while the stream is away
		ended := alert("Short", "critical")
		w.take(true, ended)
		w.after(10 * time.Second)
		ended.Status = correlate.Resolved
		w.take(true, ended)
		w.after(5 * time.Minute)
		w.wantDesk()
	})
}

func TestWhatTheStreamRefusesIsPagedAndTakenBackWhenItsSenderSucceeds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := alert("HighErrorRate", "critical")
		w.set(func() { w.down = errors.New("not connected to NATS") })
		for range 5 { // its Alertmanager tries again
			w.take(true, a)
			w.after(8 * time.Second)
		}
		w.wantDesk(rawPage)
		if !strings.Contains(fmt.Sprint(w.last.Sections), "not connected to NATS") {
			t.Errorf("the page does not say why: %v", w.last.Sections)
		}
		w.set(func() { w.down = nil })
		w.take(false, a)
		w.set(func() { w.applied = 1; w.paged(a, "INC-1") })
		w.after(2 * time.Second)
		w.wantDesk(rawPage, "end failopen-")
	})
}

func TestAnAlertOnARawPageThatEndsIsTakenOff(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set(func() { w.down = errors.New("not connected to NATS") })
		a, b := alert("HighErrorRate", "critical"), alert("HighLatency", "critical")
		w.take(true, a, b)
		w.after(defaultBound)
		a.Status = correlate.Resolved
		w.take(true, a)
		w.after(defaultBound)
		w.wantDesk(rawPage, rawPage) // edited
		b.Status = correlate.Resolved
		w.take(true, b)
		w.after(2 * time.Second)
		w.wantDesk(rawPage, rawPage, "end failopen-")
	})
}

func TestWhatNobodySendsAgainIsForgotten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.take(true, alert("HighErrorRate", "critical"))
		w.after(defaultBound)
		w.wantDesk(rawPage)
		w.after(forgetAfter + time.Second)
		w.wantDesk(rawPage, "end failopen-")
		if w.ledger.len() != 0 {
			t.Errorf("%d in the ledger", w.ledger.len())
		}
	})
}

func TestWhatTheStreamHeldBeforeTheStartIsReadFromIt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := alert("HighErrorRate", "critical")
		w.set(func() {
			w.stuck = errors.New("engine cannot get past position 1")
			w.entries = append(w.entries, correlate.Input{Pos: 1, At: time.Now().Add(-time.Hour), Signal: &correlate.AlertBatch{Source: "alertmanager", Alerts: []correlate.Alert{a}}})
		})
		w.after(Grace + time.Second)
		w.wantDesk(rawPage)
	})
}

func TestWhatFellDueWhileNobodyRanIsLeftToTheEngineAtFirst(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set(func() {
			w.rows["INC-3"] = &correlate.Incident{ID: "INC-3", Paging: correlate.Paging{DueAt: time.Now().Add(-10 * time.Minute)}}
			w.changed = append(w.changed, "INC-3")
		})
		w.after(3 * time.Second)
		w.set(func() { w.paged(alert("HighErrorRate", "critical"), "INC-3") })
		w.after(time.Minute)
		w.wantDesk()
	})
}

func TestWhatWaitsForItsCompanionsWhenTheEngineDiesIsPaged(t *testing.T) {
	for name, before := range map[string]bool{"while it is watched": false, "before the start": true} {
		t.Run(name, func(t *testing.T) {
			a := correlate.Alert{}
			pending := func(w *world) {
				a = alert("HighErrorRate", "critical")
				w.alerts[a.ID()] = &correlate.AlertState{Alert: a, FirstSeen: time.Now(), Fate: correlate.Fate{Kind: correlate.FatePending, Text: "waits for its companions"}}
				w.applied, w.stuck = 1, errors.New("its goroutine ended")
				w.entries = append(w.entries, correlate.Input{Pos: 1, At: time.Now(), Signal: correlate.Tick{}})
			}
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if before {
					pending(w)
				}
				ctx, cancel := context.WithCancel(t.Context())
				var all sync.WaitGroup
				all.Go(func() { _ = w.Run(ctx) })
				if !before {
					w.set(func() { pending(w) })
					w.Took(&correlate.AlertBatch{Alerts: []correlate.Alert{a}}, time.Now(), 1)
				}
				w.after(defaultBound)
				w.wantDesk(rawPage)
				w.set(func() { w.stuck = nil; w.paged(a, "INC-1") })
				w.after(2 * time.Second)
				w.wantDesk(rawPage, "end failopen-")
				cancel()
				all.Wait()
			})
		})
	}
}

func TestAStormIsBoundedAndCounted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ledger.limit = 200
		w.set(func() { w.down = errors.New("not connected to NATS") })
		for n := range 300 {
			a := alert("Alert", "critical")
			a.Fingerprint = fmt.Sprintf("%016x", n+1)
			b := &correlate.AlertBatch{Source: "alertmanager", GroupKey: fmt.Sprint(n % 120), Alerts: []correlate.Alert{a}}
			w.Took(b, time.Now(), 0)
		}
		w.after(defaultBound)
		if n := w.ledger.len(); n != 200 {
			t.Errorf("%d in the ledger", n)
		}
		if len(w.groups) != maxGroups+1 || len(w.desk) != maxGroups+1 {
			t.Errorf("%d groups, %d pages", len(w.groups), len(w.desk))
		}
		others := w.groups[groupID("prod", othersKey)]
		if others == nil || others.unkept != 100 {
			t.Fatalf("the rest is %+v", others)
		}
		if b := others.bulletin(w.settings.Load(), "x"); !strings.Contains(b.Title, "more alerts") || !strings.Contains(fmt.Sprint(b.Sections), "and ") {
			t.Errorf("the rest is told as %+v", b)
		}
	})
}

func TestRowsThatCannotBeReadDoNotKeepThePageBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set(func() { w.rowsErr = errors.New("store has failed"); w.stuck = w.rowsErr })
		w.take(false, alert("HighErrorRate", "critical"))
		w.after(defaultBound)
		w.wantDesk(rawPage)
	})
}

func TestAnIncidentWhosePageIsOverdueIsPaged(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set(func() {
			w.stuck = errors.New("not connected to NATS")
			w.rows["INC-3"] = &correlate.Incident{ID: "INC-3", Severity: correlate.SeverityCritical, Paging: correlate.Paging{DueAt: time.Now().Add(20 * time.Second)}, StartedAt: time.Now(), UpdatedAt: time.Now()}
			w.changed = append(w.changed, "INC-3")
		})
		w.after(24 * time.Second)
		w.wantDesk()
		w.after(4 * time.Second)
		w.wantDesk("post overdue-prod-INC-3")
		if !strings.Contains(fmt.Sprint(w.last.Sections), "INC-3 was due at") {
			t.Errorf("said %v", w.last.Sections)
		}
		w.set(func() { w.paged(alert("HighErrorRate", "critical"), "INC-3") })
		w.after(2 * time.Second)
		w.wantDesk("post overdue-prod-INC-3", "end overdue-prod-INC-3: correlation works again: the page of INC-3 was sent")
	})
}

func TestAHoldByNameIsNoDelay(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.set(func() {
			w.rows["INC-3"] = &correlate.Incident{ID: "INC-3", Paging: correlate.Paging{DueAt: time.Now().Add(5 * time.Hour)}}
			w.changed = append(w.changed, "INC-3")
		})
		w.after(5 * time.Hour)
		w.wantDesk()
	})
}

func TestAPageThatNobodyTakesGoesToTheFallback(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		undelivered := func(incident, receiver string) {
			w.paged(alert("HighErrorRate", "critical"), incident)
			e := w.pages[incident][0]
			e.Done, e.Deliveries = false, []correlate.Delivery{{Receiver: receiver, Integration: "webhook", Attempts: 4, LastError: "401 Unauthorized"}}
		}
		w.set(func() { undelivered("INC-1", "team"); undelivered("INC-2", "oncall"); undelivered("INC-3", "team") })
		w.set(func() { w.taken[correlate.PageKey{Incident: "INC-3", Seq: 1}] = true }) // and the disk is full
		w.after(undeliveredAfter)
		w.wantDesk()
		w.after(2 * time.Second)
		w.wantDesk("post undelivered-prod-INC-1")
		if !strings.Contains(fmt.Sprint(w.last.Sections), "team (webhook): 401 Unauthorized") {
			t.Errorf("said %v", w.last.Sections)
		}
		w.set(func() { w.pages["INC-1"][0].Deliveries[0].SentAt = time.Now() })
		w.after(2 * time.Second)
		w.wantDesk("post undelivered-prod-INC-1", "end undelivered-prod-INC-1")
	})
}

func TestTheHeartbeatGoesTheWholeWayOrIsNotSaid(t *testing.T) {
	beats := func(s *Settings) { s.Heartbeat = &Heartbeat{Receiver: "snitch", Interval: time.Minute} }
	for name, breakIt := range map[string]func(w *world){
		"stream":      func(w *world) { w.down = errors.New("gone") },
		"correlation": func(w *world) { w.stuck = errors.New("hangs") },
		"receiver":    func(w *world) { w.refuses = errors.New("503") },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.after(5*time.Minute + time.Second)
				if len(w.once) != 6 || w.once[0] != "snitch heartbeat-prod" {
					t.Fatalf("said %q", w.once)
				}
				w.set(func() { breakIt(w) })
				w.after(10 * time.Minute)
				if len(w.once) != 6 {
					t.Errorf("said %d times, and %s does not work", len(w.once), name)
				}
			}, beats)
		})
	}
}

func TestTheHeartbeatIsWithheldWhileARawPageStands(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.take(true, alert("HighErrorRate", "critical"))
		w.after(10 * time.Minute)
		if len(w.once) > 1 {
			t.Errorf("said %d times", len(w.once))
		}
		w.Apply(Settings{Environment: "prod", Fallback: "oncall"})
		w.after(2 * time.Hour)
		if len(w.once) > 1 {
			t.Errorf("said %d times, and nobody wants it", len(w.once))
		}
	}, func(s *Settings) { s.Heartbeat = &Heartbeat{Receiver: "snitch", Interval: time.Minute} })
}

func TestAWatchdogThatFallsSilentIsPagedUntilItIsHeard(t *testing.T) {
	dog := Watchdog{AbsentAfter: 10 * time.Minute}
	for _, text := range []string{`alertname="Watchdog"`, `cluster="eu"`} {
		m, err := correlate.ParseMatcher(text)
		if err != nil {
			t.Fatal(err)
		}
		dog.Matchers = append(dog.Matchers, m)
	}
	inWorld(t, func(t *testing.T, w *world) {
		bark := alert("Watchdog", "none")
		bark.Labels["cluster"] = "eu"
		for range 5 {
			w.take(false, bark)
			w.after(5 * time.Minute)
		}
		w.wantDesk()
		w.after(5*time.Minute + 2*time.Second)
		w.wantDesk("post watchdog-")
		if !strings.Contains(w.last.Title, `No alerts can reach me from {alertname="Watchdog", cluster="eu"}`) || !strings.Contains(fmt.Sprint(w.last.Sections), "from http://am") {
			t.Errorf("said %+v", w.last)
		}
		other := alert("Watchdog", "none")
		other.Labels["cluster"] = "us"
		w.take(false, other)
		w.after(time.Minute)
		w.wantDesk("post watchdog-")
		w.take(true, bark) // a refused one reaches us as well
		w.after(2 * time.Second)
		w.wantDesk("post watchdog-", "end watchdog-")
		w.after(20 * time.Minute)
		w.Apply(Settings{Environment: "prod", Fallback: "oncall"})
		w.after(2 * time.Second)
		w.wantDesk("post watchdog-", "end watchdog-", "post watchdog-", "end watchdog-")
	}, func(s *Settings) { s.Watchdogs = []Watchdog{dog} })
}

package page

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
)

func TestDelivery_OpenUpdateResolveReachWhoCanUseThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, twoReceivers, Options{})
		r.run()
		defer r.stop()
		for _, p := range numberedPages("INC-1", story()...) {
			r.outbox.add(p)
			r.after(time.Second)
		}
		r.wantLogs("INC-1 open, INC-1 update, INC-1 resolved", "INC-1 open, INC-1 resolved")
		if !r.outbox.allDone() {
			t.Error("pages are pending")
		}
		for _, k := range slices.Concat(r.fakes["on-call"].keys, r.fakes["chat"].keys) {
			if k != "incident/INC-1" {
				t.Errorf("group key %q", k)
			}
		}
		r.after(time.Hour)
		if n := r.fakes["on-call"].tries(); n != 3 {
			t.Errorf("%d attempts, want 3", n)
		}
	})
}

func TestDelivery_TransientErrorsAreRetriedWithBackoffUntilSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, twoReceivers, Options{}, numberedPages("INC-1", collapse())...)
		f := r.fakes["on-call"]
		f.answer = failing(12, true, errDown)
		r.run()
		defer r.stop()
		r.after(time.Hour)
		r.wantLogs("INC-1 open", "INC-1 open")
		for i, want := range []int{1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60} {
			if got := int(f.times[i+1].Sub(f.times[i]).Round(time.Second).Seconds()); got != want {
				t.Errorf("wait %d: %d s, want %d", i+1, got, want)
			}
		}
		d := r.outbox.entry(t, "INC-1", 1).Deliveries
		i := slices.IndexFunc(d, func(d correlate.Delivery) bool { return d.Receiver == "on-call" })
		if d[i].Attempts != 13 || d[i].SentAt.IsZero() || d[i].LastError != "" {
			t.Errorf("record %+v", d[i])
		}
	})
}

func TestDelivery_AReceiverThatIsAwayHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, twoReceivers, Options{PerIntegration: 2})
		r.fakes["chat"].answer = func(ctx context.Context, _ int) (bool, error) { // hangs until its time is over
			<-ctx.Done()
			return true, ctx.Err()
		}
		r.run()
		defer r.stop()
		for i := range 20 {
			r.outbox.add(numberedPages(fmt.Sprintf("INC-%d", i+1), story()...)...)
		}
		r.after(time.Second)
		if n := len(r.fakes["on-call"].took); n != 40 { // each update was superseded by its resolve
			t.Errorf("on-call got %d pages, want 40", n)
		}
		if m := r.fakes["chat"].max; m != 2 {
			t.Errorf("%d attempts under way to the receiver that hangs, want 2", m)
		}
		if s := r.Status(); s.Incidents != 20 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestDelivery_PagesOfOneIncidentKeepTheirOrderAtEachReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pages := numberedPages("INC-1", collapse(), over(), collapse(), over())
		r := newRig(t, twoReceivers, Options{}, pages...)
		r.fakes["chat"].answer = failing(3, true, errDown)
		r.run()
		defer r.stop()
		r.after(time.Minute)
		want := "INC-1 open, INC-1 resolved, INC-1 open, INC-1 resolved"
		r.wantLogs(want, want)
	})
}

func TestDelivery_ANewerPageSupersedesAnUpdateButNeverAnOpeningOrAResolve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		r := newRig(t, twoReceivers, Options{Registerer: reg}, numberedPages("INC-1", collapse(), spread(), spread(), over())...)
		r.fakes["on-call"].answer = failing(1, true, errDown)
		r.run()
		defer r.stop()
		r.after(time.Minute)
		r.wantLogs("INC-1 open, INC-1 resolved", "INC-1 open, INC-1 resolved")
		for seq, by := range map[uint64]string{2: "superseded by page 3", 3: "superseded by page 4"} {
			e := r.outbox.entry(t, "INC-1", seq)
			if !e.Done || !e.Superseded || !slices.ContainsFunc(e.Deliveries, func(d correlate.Delivery) bool { return d.Skipped == by }) {
				t.Errorf("page %d: %+v", seq, e)
			}
		}
		if n := sum(t, reg, "headwater_page_superseded_total"); n != 2 {
			t.Errorf("superseded counter %v, want 2", n)
		}
	})
}

func TestDelivery_ARefusedPageIsRescuedByAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, twoReceivers, Options{}, numberedPages("INC-1", collapse())...)
		r.fakes["on-call"].answer = failing(4, false, errRevoked)
		r.run()
		defer r.stop()
		r.after(24 * time.Minute) // attempts at 0, 5 and 15 min; the next would be at 35
		if n := r.fakes["on-call"].tries(); n != 3 {
			t.Errorf("%d attempts in 24 min, want 3", n)
		}
		if s := r.Status(); len(s.Failing) != 1 || !s.Failing[0].Refused || s.Failing[0].Error != errRevoked.Error() {
			t.Errorf("status %+v", s)
		}
		r.use(loaded(t, twoReceivers)) // the operator thinks it is mended; it is not quite
		r.after(time.Second)
		if n := r.fakes["on-call"].tries(); n != 4 {
			t.Errorf("%d attempts after the reload, want 4 at once", n)
		}
		r.after(5 * time.Minute)
		r.wantLogs("INC-1 open", "INC-1 open")
		if s := r.Status(); len(s.Failing) != 0 {
			t.Errorf("still failing: %+v", s)
		}
	})
}

func TestDelivery_ARefusedPageIsGivenUpInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, twoReceivers, Options{}, numberedPages("INC-1", collapse(), over())...)
		r.fakes["on-call"].answer = failing(1000, false, errRevoked)
		r.run()
		defer r.stop()
		r.after(80 * time.Hour)
		e := r.outbox.entry(t, "INC-1", 1)
		if !slices.ContainsFunc(e.Deliveries, func(d correlate.Delivery) bool {
			return d.Receiver == "on-call" && strings.HasPrefix(d.Skipped, "given up after 3 days: invalid key")
		}) {
			t.Errorf("record %+v", e.Deliveries)
		}
		r.wantLogs("", "INC-1 open, INC-1 resolved") // no resolve without the opening page
		if !r.outbox.allDone() || r.Status().Incidents != 0 {
			t.Error("the incident is still being worked on")
		}
	})
}

func TestDelivery_ARateLimitPassesByItselfWhateverTheNotifierSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, twoReceivers, Options{}, numberedPages("INC-1", collapse())...)
		r.fakes["on-call"].answer = failing(1, false, notify.NewErrorWithReason(notify.RateLimitedReason, errors.New("429")))
		r.run()
		defer r.stop()
		r.after(3 * time.Second)
		r.wantLogs("INC-1 open", "INC-1 open")
	})
}

func TestDelivery_WhatWasRecordedIsNotSentAgainAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pages := numberedPages("INC-1", collapse(), over())
		r := newRig(t, twoReceivers, Options{}, pages[0])
		r.fakes["on-call"].answer = failing(5, true, errDown)
		r.run()
		r.after(2 * time.Second)
		r.stop()
		r.wantLogs("", "INC-1 open")

		r.open(twoReceivers, Options{})
		r.run()
		defer r.stop()
		r.outbox.add(pages[1])
		r.after(time.Hour)
		r.wantLogs("INC-1 open, INC-1 resolved", "INC-1 open, INC-1 resolved")
	})
}

func TestDelivery_ACrashBeforeTheRecordSendsAgainUnderTheSameKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, twoReceivers, Options{ShutdownGrace: time.Second}, numberedPages("INC-1", collapse())...)
		r.outbox.refuse = 1 << 30
		r.run()
		r.after(time.Second)
		r.stop()
		r.wantLogs("INC-1 open", "INC-1 open") // a disk that is full stops no page
		r.outbox.refuse = 0

		r.open(twoReceivers, Options{})
		r.run()
		defer r.stop()
		r.after(time.Minute)
		r.wantLogs("INC-1 open, INC-1 open", "INC-1 open, INC-1 open")
		for _, k := range r.fakes["on-call"].keys {
			if k != "incident/INC-1" {
				t.Errorf("key %q", k)
			}
		}
		if !r.outbox.allDone() {
			t.Error("pages are pending")
		}
	})
}

func TestDelivery_AnOutboxThatFailsDelaysRecordsAndRepeatsNoPage(t *testing.T) {
	for name, broke := range map[string]func(*memOutbox){
		"refuses":                   func(o *memOutbox) { o.refuse = 3 },
		"does it and reports error": func(o *memOutbox) { o.forget = 3 },
		"cannot be read":            func(o *memOutbox) { o.blind = 3 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, twoReceivers, Options{}, numberedPages("INC-1", collapse(), spread(), over())...)
				broke(r.outbox)
				r.run()
				defer r.stop()
				r.after(time.Minute)
				r.wantLogs("INC-1 open, INC-1 resolved", "INC-1 open, INC-1 resolved")
				if !r.outbox.allDone() {
					t.Error("pages are pending")
				}
			})
		})
	}
}

func TestDelivery_APageLeavesOnlyWhenItsDecisionIsOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, twoReceivers, Options{}, numberedPages("INC-1", collapse(), over())...)
		r.outbox.unsynced = 1
		r.run()
		defer r.stop()
		r.after(time.Minute)
		r.wantLogs("INC-1 open", "INC-1 open")
		r.outbox.mu.Lock()
		r.outbox.unsynced = 0
		r.outbox.mu.Unlock()
		r.after(time.Minute)
		r.wantLogs("INC-1 open, INC-1 resolved", "INC-1 open, INC-1 resolved")
	})
}

func TestDelivery_TheResolveGoesWhereTheOpeningWentWhateverTheRouteSaysNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pages := numberedPages("INC-1", collapse(), spread(), over())
		r := newRig(t, twoReceivers, Options{}, pages[0])
		r.run()
		defer r.stop()
		r.after(time.Second)
		// From now on the route knows only the newcomer, and chat is gone altogether.
		r.use(loaded(t, `
receivers:
- {name: on-call, pagerduty_configs: [{routing_key: x}]}
- {name: newcomer, webhook_configs: [{url: "http://127.0.0.1:1/"}]}
route: {receiver: newcomer}
`))
		r.outbox.add(pages[1])
		r.after(time.Second)
		r.outbox.add(pages[2])
		r.after(time.Second)
		r.wantLogs("INC-1 open, INC-1 update, INC-1 resolved", "INC-1 open")
		if got := r.fakes["newcomer"].log(); got != "" {
			t.Errorf("the newcomer got %q of an incident it was not paged for", got)
		}
		e := r.outbox.entry(t, "INC-1", 3)
		if !slices.ContainsFunc(e.Deliveries, func(d correlate.Delivery) bool {
			return d.Receiver == "chat" && d.Skipped == "the receiver is no longer configured"
		}) {
			t.Errorf("records of the resolve %+v", e.Deliveries)
		}
	})
}

func TestDelivery_AReloadSendsAnUndeliveredOpeningWhereTheRouteLeadsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, `
receivers: [{name: on-call, pagerduty_configs: [{routing_key: typo}]}, {name: chat, slack_configs: [{api_url: "http://127.0.0.1:1/", send_resolved: true}]}]
route: {receiver: on-call}
`, Options{}, numberedPages("INC-1", collapse())...)
		r.fakes["on-call"].answer = failing(1<<30, false, errRevoked)
		r.run()
		defer r.stop()
		r.after(time.Minute)
		r.use(loaded(t, strings.Replace(twoReceivers, "{receiver: on-call}", "{receiver: chat}", 1)))
		r.after(time.Second)
		r.wantLogs("", "INC-1 open")
		if !r.outbox.allDone() {
			t.Errorf("records %+v", r.outbox.entry(t, "INC-1", 1).Deliveries)
		}
	})
}

func TestDelivery_WhoSawTheEndHearsNoMoreWhenTheIncidentOpensForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pages := numberedPages("INC-1", collapse(), over(), collapse(), over())
		r := newRig(t, twoReceivers, Options{}, pages[:2]...)
		r.run()
		defer r.stop()
		r.after(time.Second)
		r.use(loaded(t, `
receivers: [{name: on-call, pagerduty_configs: [{routing_key: x}]}, {name: chat, slack_configs: [{api_url: "http://127.0.0.1:1/", send_resolved: true}]}]
route: {receiver: chat}
`))
		r.outbox.add(pages[2:]...)
		r.after(time.Second)
		r.wantLogs("INC-1 open, INC-1 resolved", "INC-1 open, INC-1 resolved, INC-1 open, INC-1 resolved")
	})
}

func TestDelivery_SendResolvedIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, strings.Replace(twoReceivers, ", send_resolved: true", "", 1), Options{}, numberedPages("INC-1", collapse(), over())...)
		r.run()
		defer r.stop()
		r.after(time.Second)
		r.wantLogs("INC-1 open, INC-1 resolved", "INC-1 open")
	})
}

func TestDelivery_BeyondTheLimitPagesWaitInTheOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, twoReceivers, Options{MaxIncidents: 3, PerIntegration: 10})
		r.fakes["chat"].answer = func(context.Context, int) (bool, error) { time.Sleep(time.Second); return false, nil }
		for i := range 300 { // more than one read of the outbox
			r.outbox.add(numberedPages(fmt.Sprintf("INC-%d", i+1), collapse())...)
		}
		r.run()
		defer r.stop()
		r.after(500 * time.Millisecond)
		if n := r.Status().Incidents; n != 3 {
			t.Errorf("%d incidents at a time, want 3", n)
		}
		r.after(10 * time.Minute)
		if a, b := len(r.fakes["on-call"].took), len(r.fakes["chat"].took); a != 300 || b != 300 {
			t.Errorf("%d and %d pages, want 300 each", a, b)
		}
	})
}

func TestDelivery_StoppingLetsWhatIsUnderWayFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, twoReceivers, Options{}, numberedPages("INC-1", collapse())...)
		r.fakes["on-call"].answer = func(context.Context, int) (bool, error) { time.Sleep(3 * time.Second); return false, nil }
		r.fakes["chat"].answer = func(ctx context.Context, _ int) (bool, error) { <-ctx.Done(); return true, ctx.Err() }
		r.run()
		r.after(time.Second)
		before := time.Now()
		r.stop()
		if took := time.Since(before); took > 5*time.Second {
			t.Errorf("stopping took %v", took)
		}
		e := r.outbox.entry(t, "INC-1", 1)
		sent := slices.IndexFunc(e.Deliveries, func(d correlate.Delivery) bool { return !d.SentAt.IsZero() })
		if e.Done || sent < 0 || e.Deliveries[sent].Receiver != "on-call" {
			t.Errorf("records %+v", e.Deliveries)
		}
	})
}

func TestDelivery_StoppingTriesItsRecordsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, twoReceivers, Options{}, numberedPages("INC-1", collapse())...)
		r.outbox.refuse = 2
		r.run()
		r.after(10 * time.Millisecond)
		r.stop()
		if e := r.outbox.entry(t, "INC-1", 1); !e.Done {
			t.Errorf("records %+v, though the outbox was back within the grace", e)
		}
	})
}

func TestDelivery_WithoutReceiversPagesAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "correlation: {hold: 30s}\n", Options{}, numberedPages("INC-1", story()...)...)
		r.run()
		defer r.stop()
		r.after(time.Second)
		if got := r.fakes["log"].log(); got != "INC-1 open, INC-1 resolved" || !r.outbox.allDone() {
			t.Errorf("logged %q", got)
		}
		if !r.Status().LogOnly {
			t.Error("status does not say so")
		}
	})
}

func TestDelivery_AnAlertKeepsItsFingerprintFromOpeningToResolve(t *testing.T) {
	open, resolve := collapse(), over()
	resolve.Incident.Origins[0].Service = shop("shipping")
	resolve.Incident.Severity = correlate.SeverityError
	a := newAlert(open, &open.Incident, here, began)
	b := newAlert(resolve, &open.Incident, here, resolve.At)
	if a.Fingerprint() != b.Fingerprint() {
		t.Error("the resolve is about another alert than the opening page")
	}
	if b.Annotations["origin"] != "shipping" {
		t.Errorf("annotation origin %q, want what is known now", b.Annotations["origin"])
	}
}

func TestDelivery_AResolveFromAClockAheadOfOursIsStillAResolve(t *testing.T) {
	p := over()
	now := p.Incident.QuietSince.Add(-time.Minute)
	if a := newAlert(p, &p.Incident, here, now); !a.EndsAt.Equal(now) {
		t.Errorf("ends at %v", a.EndsAt)
	}
}

// Slack's notifier leaves the channel and the time of its message in a store, and
// edits that message when it finds them there.
func TestDelivery_SlackEditsItsMessageUntilTheIncidentOpensAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := strings.NewReplacer("send_resolved: true", "send_resolved: true, update_message: true", "http://127.0.0.1:1/", "https://slack.com/api/chat.postMessage").Replace(twoReceivers)
		r := newRig(t, yaml, Options{})
		var found []string
		r.fakes["chat"].answer = func(ctx context.Context, n int) (bool, error) {
			store, ok := notify.NflogStore(ctx)
			if !ok {
				return false, errors.New("no store")
			}
			channel, _ := store.GetStr("channelId")
			thread, _ := store.GetStr("threadTs")
			found = append(found, channel+thread)
			if thread == "" { // posted, not edited
				store.SetStr("channelId", "C")
				store.SetStr("threadTs", fmt.Sprint(n))
			}
			return false, nil
		}
		r.run()
		for i, p := range numberedPages("INC-1", collapse(), spread(), over(), collapse(), spread(), over()) {
			if i == 4 { // what is to be edited survives a restart
				r.stop()
				r.open(yaml, Options{})
				r.run()
			}
			r.outbox.add(p)
			r.after(time.Second)
		}
		r.stop()
		if want := []string{"", "C1", "C1", "", "C4", "C4"}; !slices.Equal(found, want) {
			t.Errorf("found %q, want %q", found, want)
		}
	})
}

func TestDelivery_ARingHasAKeyOfItsOwnWhereTheKeyWouldSilenceItAndEndsTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again, lead, newcomer := spread(), spread(), spread()
		again.Kind, again.Ring = correlate.PageRing, 2
		lead.Kind, lead.Ring, lead.To = correlate.PageEscalate, 3, []string{"on-call"}
		newcomer.Kind, newcomer.Ring, newcomer.Newcomers = correlate.PageRing, 4, true
		r := newRig(t, twoReceivers, Options{})
		r.run()
		for _, p := range numberedPages("INC-1", collapse(), again, lead, newcomer, over()) {
			r.outbox.add(p)
			r.after(time.Second)
		}
		r.stop()
		r.wantLogs("INC-1 open, INC-1 ring, INC-1 resolved, INC-1 escalate, INC-1 resolved, INC-1 update, INC-1 resolved", "INC-1 open, INC-1 ring, INC-1 resolved")
		const first, second, third = "incident/INC-1", "incident/INC-1/2", "incident/INC-1/3"
		if want := []string{first, second, first, third, second, third, third}; !slices.Equal(r.fakes["on-call"].keys, want) {
			t.Errorf("on-call's keys are %q, want %q", r.fakes["on-call"].keys, want)
		}
		if want := []string{first, first, first}; !slices.Equal(r.fakes["chat"].keys, want) {
			t.Errorf("chat's keys are %q, want %q", r.fakes["chat"].keys, want)
		}
	})
}

func TestDelivery_WhenTheEndOfTheRingBeforeFailsBothAreSentAgainUnderTheirKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again := spread()
		again.Kind, again.Ring = correlate.PageRing, 2
		r := newRig(t, twoReceivers, Options{})
		r.fakes["on-call"].answer = func(_ context.Context, n int) (bool, error) {
			if n == 3 {
				return true, errDown
			}
			return false, nil
		}
		r.run()
		for _, p := range numberedPages("INC-1", collapse(), again, over()) {
			r.outbox.add(p)
			r.after(5 * time.Second)
		}
		r.stop()
		const first, second = "incident/INC-1", "incident/INC-1/2"
		if want := []string{first, second, second, first, second}; !slices.Equal(r.fakes["on-call"].keys, want) {
			t.Errorf("on-call's keys are %q, want %q", r.fakes["on-call"].keys, want)
		}
	})
}

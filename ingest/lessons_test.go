package ingest

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/correlate"
)

// Two Alertmanagers of a pair write the same alerts in another order of keys and
// another zone, with their own address: what identifies the signal is the same.
func TestLesson27TwinsSayTheSame(t *testing.T) {
	s := &stream{}
	in := newIntake(t, Options{Publisher: s})
	post(t, in, webhook, `{"externalURL":"http://am-0:9093","alerts":[{"status":"firing","labels":{"alertname":"Down","service":"cart"},"annotations":{"summary":"x"},"startsAt":"2026-01-05T03:00:12.087Z","endsAt":"0001-01-01T00:00:00Z","fingerprint":"0FBAD6E2B7A51C9D"}]}`)
	post(t, in, webhook, `{"alerts":[{"fingerprint":"0fbad6e2b7a51c9d","annotations":{"summary":"x"},"startsAt":"2026-01-05T04:00:12.087+01:00","labels":{"service":"cart","alertname":"Down","pod":""},"status":"firing"}],"externalURL":"http://am-1:9093"}`)
	if len(s.signals) != 2 {
		t.Fatalf("%d signals", len(s.signals))
	}
	a, b := s.signals[0].(*correlate.AlertBatch), s.signals[1].(*correlate.AlertBatch)
	if diff := cmp.Diff(a.Alerts, b.Alerts); diff != "" {
		t.Errorf("the twins differ:\n%s", diff)
	}
}

func TestLesson26TruncationIsCountedAndPublished(t *testing.T) {
	s := &stream{}
	in, metrics := instrumented(t, s)
	post(t, in, webhook, strings.Replace(group(firing), `"truncatedAlerts":0`, `"truncatedAlerts":37`, 1))
	if b := s.signals[0].(*correlate.AlertBatch); b.Truncated != 37 {
		t.Errorf("truncated %d", b.Truncated)
	}
	if got := metrics()[`headwater_ingest_alerts_truncated_total{source="alertmanager"}`]; got != 37 {
		t.Errorf("metric %v", got)
	}
}

// Requests wait for each other, and are told to come back when that takes too long.
func TestRequestsInFlightAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked := make(chan struct{})
		s := &stream{refuse: func(correlate.Signal) error { <-blocked; return nil }}
		in := newIntake(t, Options{Publisher: s, MaxInFlight: 1})
		first, second := make(chan response), make(chan response)
		go func() { first <- post(t, in, webhook, good[webhook]) }()
		synctest.Wait() // until it is in Publish
		go func() { second <- post(t, in, webhook, good[webhook]) }()
		if got := <-second; got.Code != 503 || got.Header.Get("Retry-After") == "" { // time passes here
			t.Errorf("second: %+v", got)
		}
		close(blocked)
		if got := <-first; got.Code != 200 {
			t.Errorf("first: %+v", got)
		}
		if got := post(t, in, webhook, good[webhook]); got.Code != 200 {
			t.Errorf("afterwards: %+v", got)
		}
	})
}

// Large bodies hold few of the places, so small ones get through beside them.
func TestLargeBodiesDoNotBlockSmallOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked := make(chan struct{})
		s := &stream{refuse: func(sig correlate.Signal) error {
			if len(sig.(*correlate.AlertBatch).Alerts) == 2 {
				<-blocked
			}
			return nil
		}}
		in := newIntake(t, Options{Publisher: s})
		large := good[webhook] + strings.Repeat(" ", smallBody)
		replies := make(chan response)
		for range maxLarge + 1 {
			go func() { replies <- post(t, in, webhook, large) }()
		}
		synctest.Wait()
		if got := post(t, in, webhook, group(firing)); got.Code != 200 {
			t.Errorf("small one: %+v", got)
		}
		if got := <-replies; got.Code != 503 { // the one large body too many, after the timeout
			t.Errorf("large one too many: %+v", got)
		}
		close(blocked)
		for range maxLarge {
			if got := <-replies; got.Code != 200 {
				t.Errorf("large one: %+v", got)
			}
		}
		for range maxLarge + 1 { // all places were given back
			go func() { replies <- post(t, in, webhook, large) }()
			if got := <-replies; got.Code != 200 {
				t.Errorf("large one afterwards: %+v", got)
			}
		}
	})
}

// Not even waiting is unbounded.
func TestWaitingRequestsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked := make(chan struct{})
		s := &stream{refuse: func(correlate.Signal) error { <-blocked; return nil }}
		in := newIntake(t, Options{Publisher: s, MaxInFlight: 1})
		replies := make(chan response, 1+maxWaiting)
		for range 1 + maxWaiting {
			go func() { replies <- post(t, in, v2, good[v2]) }()
		}
		synctest.Wait()
		if got := post(t, in, v2, good[v2]); got.Code != 503 {
			t.Errorf("one too many: %+v", got)
		}
		if len(replies) != 0 {
			t.Errorf("%d of the others were answered", len(replies))
		}
		close(blocked)
		for range 1 + maxWaiting {
			if got := <-replies; got.Code != 200 {
				t.Errorf("answer %+v", got)
			}
		}
	})
}

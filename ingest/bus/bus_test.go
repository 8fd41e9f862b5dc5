package bus_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/bus"
	"github.com/headwater-sre/headwater/topology"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is the time at which the tests' alerts begin.
var start = time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)

// alert returns the n-th of a family of alerts.
func alert(n int) correlate.Alert {
	return correlate.Alert{
		Fingerprint: fmt.Sprintf("%016x", n),
		Labels:      map[string]string{"alertname": "HighLatency", "service": fmt.Sprintf("svc-%d", n), "severity": "critical"},
		Annotations: map[string]string{"summary": "p99 over 1 s"},
		StartsAt:    start.Add(time.Duration(n) * time.Second),
	}
}

func batch(ns ...int) *correlate.AlertBatch {
	b := &correlate.AlertBatch{Source: "alertmanager", Receiver: "headwater", GroupKey: "{}:{}"}
	for _, n := range ns {
		b.Alerts = append(b.Alerts, alert(n))
	}
	return b
}

func open(t testing.TB, o bus.Options) *bus.Bus {
	t.Helper()
	b, err := bus.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func publish(t testing.TB, b *bus.Bus, sig correlate.Signal) uint64 {
	t.Helper()
	pos, err := b.Publish(t.Context(), sig)
	if err != nil {
		t.Fatal(err)
	}
	return pos
}

// follow delivers from b until the test ends; result yields what Follow returned.
func follow(t testing.TB, b *bus.Bus, after uint64) (in <-chan correlate.Input, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, result := make(chan correlate.Input), make(chan error, 1)
	go func() { result <- b.Follow(ctx, after, out) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-result
	}
	t.Cleanup(func() { _ = stop() })
	return out, stop
}

func take(t testing.TB, in <-chan correlate.Input) correlate.Input {
	t.Helper()
	select {
	case i := <-in:
		return i
	case <-time.After(20 * time.Second):
		t.Fatal("no entry within 20 s")
		return correlate.Input{}
	}
}

func mustEqual(t testing.TB, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("differs (-want +got):\n%s", diff)
	}
}

func TestSignalsComeBackInOrderWithPositionAndTime(t *testing.T) {
	b := open(t, bus.Options{StoreDir: t.TempDir()})
	signals := []correlate.Signal{
		batch(1, 2),
		&correlate.HealthBatch{Source: "push", Results: []correlate.HealthResult{{
			Service: topology.Ref{Namespace: "shop", Name: "cart"}, Check: "http", Status: correlate.HealthFailing, Latency: time.Second,
		}}},
		&correlate.Change{Service: topology.Ref{Name: "cart"}, Kind: "deploy", Summary: "v2", At: start},
		&correlate.Command{Kind: correlate.CommandAcknowledge, Incident: "INC-1", Actor: "on-call"},
		&correlate.TopologyReport{Source: "file", Spec: topology.Spec{Version: "v1", Services: []topology.Service{{Name: "cart", Kind: topology.KindAPI}}}},
		correlate.Tick{},
	}
	before := time.Now()
	for i, sig := range signals {
		mustEqual(t, publish(t, b, sig), uint64(i+1))
	}
	in, stop := follow(t, b, 0)
	for i, want := range signals {
		got := take(t, in)
		mustEqual(t, got.Pos, uint64(i+1))
		mustEqual(t, got.Signal, want)
		if got.At.Before(before) || got.At.After(time.Now()) || got.At.Location() != time.UTC {
			t.Errorf("entry %d: stored at %v, published between %v and now", i+1, got.At, before)
		}
	}
	mustEqual(t, stop(), nil)
	last, err := b.Last(t.Context())
	mustEqual(t, err, nil)
	mustEqual(t, last, uint64(len(signals)))
}

func TestFollowStartsAfterAnyPositionAndGoesOnLive(t *testing.T) {
	b := open(t, bus.Options{StoreDir: t.TempDir()})
	for i := range 5 {
		publish(t, b, batch(i))
	}
	for after := range uint64(6) {
		in, stop := follow(t, b, after)
		for pos := after + 1; pos <= 5; pos++ {
			mustEqual(t, take(t, in).Pos, pos)
		}
		mustEqual(t, stop(), nil)
	}
	in, _ := follow(t, b, 5)
	publish(t, b, batch(6))
	mustEqual(t, take(t, in).Signal, correlate.Signal(batch(6)))
}

func TestEntriesSurviveReopening(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		b := open(t, bus.Options{StoreDir: dir})
		mustEqual(t, publish(t, b, batch(2*round)), uint64(2*round+1))
		mustEqual(t, publish(t, b, batch(2*round+1)), uint64(2*round+2))
		in, stop := follow(t, b, 0)
		for i := range 2 * (round + 1) {
			mustEqual(t, take(t, in).Signal, correlate.Signal(batch(i)))
		}
		mustEqual(t, stop(), nil)
		b.Close()
	}
}

// The second of two Alertmanagers is late: its "ended" repeats what the first said,
// but it follows its own "fires", and is the last word.
func TestAlertsAreNeverFolded(t *testing.T) {
	b := open(t, bus.Options{StoreDir: t.TempDir()})
	ended := batch(1)
	ended.Alerts[0].Status, ended.Alerts[0].EndsAt = correlate.Resolved, start.Add(time.Minute)
	story := []*correlate.AlertBatch{batch(1), ended, batch(1, 2), ended, ended}
	for i, said := range story {
		mustEqual(t, publish(t, b, said), uint64(i+1))
	}
	in, _ := follow(t, b, 0)
	for _, said := range story {
		mustEqual(t, take(t, in).Signal, correlate.Signal(said))
	}
}

func TestWhatHasNoTimeOfItsOwnIsNeverFolded(t *testing.T) {
	b := open(t, bus.Options{StoreDir: t.TempDir()})
	cart := topology.Ref{Name: "cart"}
	next := uint64(1)
	for _, sig := range []correlate.Signal{
		&correlate.Command{Kind: correlate.CommandAddNote, Incident: "INC-1", Text: "looking"},
		&correlate.Change{Service: cart, Kind: "deploy"},
		&correlate.HealthBatch{Results: []correlate.HealthResult{{Service: cart, Status: correlate.HealthFailing}}},
		&correlate.TopologyReport{Spec: topology.Spec{Version: "v1"}},
		correlate.Tick{},
	} {
		for range 2 {
			if pos := publish(t, b, sig); pos != next {
				t.Fatalf("%T: stored at %d, want %d", sig, pos, next)
			}
			next++
		}
	}
	for _, sig := range []correlate.Signal{
		&correlate.Change{Service: cart, Kind: "deploy", At: start},
		&correlate.HealthBatch{Results: []correlate.HealthResult{{Service: cart, Status: correlate.HealthFailing, At: start}}},
	} {
		if a, b := publish(t, b, sig), publish(t, b, sig); a != b {
			t.Errorf("%T with a time of its own: stored at %d and %d", sig, a, b)
		}
	}
}

func TestBatchOverThePayloadLimitIsSplit(t *testing.T) {
	b := open(t, bus.Options{StoreDir: t.TempDir()})
	big := batch(0, 1, 2, 3, 4)
	big.Truncated = 7
	for i := range big.Alerts {
		big.Alerts[i].Annotations["description"] = strings.Repeat(string(rune('a'+i)), 3<<20)
	}
	last := publish(t, b, big)
	if last < 2 {
		t.Fatalf("15 MiB were stored in %d message", last)
	}
	in, _ := follow(t, b, 0)
	var got []correlate.Alert
	truncated := 0
	for pos := uint64(1); pos <= last; pos++ {
		part := take(t, in).Signal.(*correlate.AlertBatch)
		got = append(got, part.Alerts...)
		truncated += part.Truncated
	}
	mustEqual(t, got, big.Alerts)
	mustEqual(t, truncated, 7)
}

func TestAlertOverThePayloadLimitIsRefusedAndTheOthersStored(t *testing.T) {
	b := open(t, bus.Options{StoreDir: t.TempDir()})
	sig := batch(1, 2, 3)
	sig.Alerts[1].Annotations["description"] = strings.Repeat("x", 9<<20)
	_, err := b.Publish(t.Context(), sig)
	if !errors.Is(err, bus.ErrTooLarge) || errors.Is(err, bus.ErrUnavailable) {
		t.Fatalf("got %v, want ErrTooLarge alone", err)
	}
	if !strings.Contains(err.Error(), sig.Alerts[1].ID().String()) {
		t.Errorf("%v: does not name the alert", err)
	}
	in, _ := follow(t, b, 0)
	var got []correlate.Alert
	for len(got) < 2 {
		got = append(got, take(t, in).Signal.(*correlate.AlertBatch).Alerts...)
	}
	mustEqual(t, got, []correlate.Alert{sig.Alerts[0], sig.Alerts[2]})
}

func TestClosedBusIsUnavailable(t *testing.T) {
	b := open(t, bus.Options{StoreDir: t.TempDir()})
	result := make(chan error, 1)
	in := make(chan correlate.Input)
	go func() { result <- b.Follow(context.WithoutCancel(t.Context()), 0, in) }()
	publish(t, b, batch(1))
	take(t, in)
	b.Close()
	b.Close()
	if err := <-result; !errors.Is(err, bus.ErrClosed) {
		t.Errorf("Follow returned %v, want ErrClosed", err)
	}
	_, err := b.Publish(t.Context(), batch(1))
	for _, err := range []error{err, b.PublishTick(t.Context()), b.DeadLetter(t.Context(), bus.DeadLetter{})} {
		if !errors.Is(err, bus.ErrUnavailable) || !errors.Is(err, bus.ErrClosed) {
			t.Errorf("got %v, want ErrUnavailable and ErrClosed", err)
		}
	}
	if b.Healthy() == nil {
		t.Error("a closed bus calls itself healthy")
	}
}

func TestPublishHonoursItsContext(t *testing.T) {
	b := open(t, bus.Options{StoreDir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Publish(ctx, batch(1)); !errors.Is(err, bus.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want ErrUnavailable and context.Canceled", err)
	}
	mustEqual(t, b.Healthy(), nil) // it was the sender who hung up
}

func TestStreamThatEndsBeforeOurPositionIsRewound(t *testing.T) {
	dir := t.TempDir()
	b := open(t, bus.Options{StoreDir: dir})
	publish(t, b, batch(1))
	err := b.Follow(t.Context(), 2, make(chan correlate.Input))
	if !errors.Is(err, bus.ErrRewound) {
		t.Fatalf("got %v, want ErrRewound", err)
	}
	for _, part := range []string{"ends at position 1", "2 was already applied", "restore", dir, "move the incident store's directory away"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestSecondOpenOfADirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	first := open(t, bus.Options{StoreDir: dir})
	_, err := bus.Open(t.Context(), bus.Options{StoreDir: dir})
	if !errors.Is(err, bus.ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("got %v, want ErrInUse naming %s", err, dir)
	}
	publish(t, first, batch(1)) // and did the first no harm
	first.Close()
	mustEqual(t, publish(t, open(t, bus.Options{StoreDir: dir}), batch(2)), uint64(2))
}

func TestOptionsThatMakeNoSenseAreNamed(t *testing.T) {
	for want, o := range map[string]bus.Options{
		`environment "prod.eu"`:             {Environment: "prod.eu", StoreDir: "x"},
		"another environment's dead letter": {Environment: "a_DEADLETTER", StoreDir: "x"},
		"want a storage directory":          {},
		"certificate and key go together":   {URL: "nats://a", CertFile: "x"},
		"replicas need an external":         {StoreDir: "x", Replicas: 3},
		"at least 1m":                       {StoreDir: "x", MaxAge: time.Second},
		"URL 2: scheme":                     {URL: "nats://a,http://b"},
		"URL 1: cannot be parsed":           {URL: "nats://user:sec%ret@a"},
		"URL 1: no host":                    {URL: "nats://:4222"},
	} {
		_, err := bus.Open(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", o, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "ret@") {
			t.Errorf("%v: shows the password", err)
		}
	}
}

func TestDeadLettersComeBackNewestFirst(t *testing.T) {
	b := open(t, bus.Options{StoreDir: t.TempDir()})
	want := []bus.DeadLetter{
		{Source: "/webhook/alertmanager", ContentType: "text/plain", Reason: "not JSON", Body: []byte("hello"), RemoteAddr: "10.0.0.1:5"},
		{Source: "/webhook/health", Reason: "no \xff UTF-8", Body: []byte{0xff, 0}},
		{Source: "/webhook/change", Body: []byte(strings.Repeat("x", 9<<20))},
	}
	for _, d := range want {
		for range 2 { // tried again: stored once
			if err := b.DeadLetter(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := b.DeadLetters(t.Context(), 10)
	mustEqual(t, err, nil)
	mustEqual(t, len(got), 3)
	mustEqual(t, got[0].BodyBytes, 9<<20)
	if n := len(got[0].Body); n < 7<<20 || n > 8<<20 {
		t.Errorf("%d bytes kept of a body over the limit", n)
	}
	mustEqual(t, got[1].Reason, "no \uFFFD UTF-8")
	mustEqual(t, got[1].Body, []byte{0xff, 0})
	want[0].Pos, want[0].At, want[0].BodyBytes = 1, got[2].At, 5
	mustEqual(t, got[2], want[0])
	some, err := b.DeadLetters(t.Context(), 1)
	mustEqual(t, err, nil)
	mustEqual(t, len(some), 1)
	mustEqual(t, some[0].Pos, got[0].Pos)
	if last, err := b.Last(t.Context()); err != nil || last != 0 {
		t.Errorf("dead letters reached the stream of signals: %d, %v", last, err)
	}
}

func TestLimitsOfAnExistingStreamAreAdapted(t *testing.T) {
	dir := t.TempDir()
	log := &recorder{}
	b := open(t, bus.Options{StoreDir: dir})
	publish(t, b, batch(1))
	b.Close()
	b = open(t, bus.Options{StoreDir: dir, MaxAge: time.Hour, MaxBytes: 1 << 20, Logger: slog.New(log)})
	if !log.has("Changed the limits of a stream") {
		t.Error("the change was not logged")
	}
	mustEqual(t, publish(t, b, batch(2)), uint64(2))
}

// The oldest entries go at the size limit. A follower that wanted them says so and
// goes on with what is left.
func TestEntriesDroppedAtTheLimitAreReported(t *testing.T) {
	log, reg := &recorder{}, prometheus.NewPedanticRegistry()
	b := open(t, bus.Options{StoreDir: t.TempDir(), MaxBytes: 64 << 10, Logger: slog.New(log), Registerer: reg})
	const entries = 100
	for i := range entries {
		sig := batch(i)
		sig.Alerts[0].Annotations["description"] = strings.Repeat("x", 4<<10)
		publish(t, b, sig)
	}
	in, _ := follow(t, b, 0)
	first := take(t, in)
	if first.Pos == 1 {
		t.Fatal("nothing was dropped")
	}
	for pos := first.Pos + 1; pos <= entries; pos++ {
		mustEqual(t, take(t, in).Pos, pos)
	}
	if !log.has("Entries had left the stream before they were followed") {
		t.Error("the gap was not logged")
	}
	mustEqual(t, gathered(t, reg, "headwater_bus_missed_entries_total"), float64(first.Pos-1))
}

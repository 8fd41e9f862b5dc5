package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/bus"
	"github.com/headwater-sre/headwater/topology"
)

var (
	arrived = time.Date(2026, 1, 5, 3, 5, 30, 0, time.UTC)
	errDown = fmt.Errorf("%w: no space left on device", bus.ErrUnavailable)
)

// stream is a publisher that can fail both ways: refuse, or store and report a failure.
type stream struct {
	mu      sync.Mutex
	signals []correlate.Signal
	letters []bus.DeadLetter

	refuse       func(correlate.Signal) error // before storing
	lie          error                        // after storing
	refuseLetter error
}

func (s *stream) Publish(_ context.Context, sig correlate.Signal) (uint64, error) {
	if s.refuse != nil { // may block, so not under the lock
		if err := s.refuse(sig); err != nil {
			return 0, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signals = append(s.signals, sig)
	return uint64(len(s.signals)), s.lie
}

func (s *stream) DeadLetter(_ context.Context, d bus.DeadLetter) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuseLetter != nil {
		return s.refuseLetter
	}
	d.Body = bytes.Clone(d.Body)
	s.letters = append(s.letters, d)
	return nil
}

func down(correlate.Signal) error { return errDown }

func newIntake(t testing.TB, o Options) *Intake {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return arrived }
	}
	in, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// response is an answer as a sender sees it.
type response struct {
	answer
	Code   int
	Header http.Header
	Text   string
}

func post(t testing.TB, in http.Handler, path, body string, header ...string) response {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	in.ServeHTTP(w, r)
	got := response{Code: w.Code, Header: w.Header(), Text: w.Body.String()}
	if err := json.Unmarshal(w.Body.Bytes(), &got.answer); err != nil {
		t.Fatalf("%s: answer %q: %v", path, w.Body, err)
	}
	if strings.Count(w.Body.String(), "\n") != 1 {
		t.Errorf("%s: answer is not one line: %q", path, w.Body)
	}
	return got
}

const (
	webhook = "/webhook/alertmanager"
	v2      = "/api/v2/alerts"
	healthz = "/webhook/health"
	changes = "/webhook/change"

	firing   = `{"status":"firing","labels":{"alertname":"Down","service":"cart"},"startsAt":"2026-01-05T03:00:12Z","endsAt":"0001-01-01T00:00:00Z"}`
	resolved = `{"status":"resolved","labels":{"alertname":"Down","service":"web"},"startsAt":"2026-01-05T03:00:12Z","endsAt":"2026-01-05T03:04:12Z"}`
)

func group(alerts ...string) string {
	return `{"version":"4","receiver":"headwater","groupKey":"{}:{}","truncatedAlerts":0,"alerts":[` + strings.Join(alerts, ",") + `]}`
}

// good is a body for every endpoint in which nothing is wrong.
var good = map[string]string{
	webhook: group(firing, resolved),
	v2:      `[{"labels":{"alertname":"Down","service":"cart"}},{"labels":{"alertname":"Down","service":"web"}}]`,
	healthz: `[{"service":"cart","status":"failing"},{"service":"web","status":"up"}]`,
	changes: `[{"service":"cart","kind":"deploy"},{"service":"web","kind":"scale"}]`,
}

func TestOneRequestIsOneSignal(t *testing.T) {
	for path, body := range good {
		want := 1
		if path == changes { // no signal holds several
			want = 2
		}
		s := &stream{}
		got := post(t, newIntake(t, Options{Publisher: s}), path, body)
		if got.Code != 200 || got.Accepted != 2 || got.Position != uint64(want) || got.Error != "" {
			t.Errorf("%s: answer %+v", path, got)
		}
		if len(s.signals) != want || len(s.letters) != 0 {
			t.Errorf("%s: %d signals and %d dead letters", path, len(s.signals), len(s.letters))
		}
	}
}

func TestWhatIsPublished(t *testing.T) {
	s := &stream{}
	in := newIntake(t, Options{Publisher: s})
	post(t, in, v2, `[{"labels":{"a":"over"},"startsAt":"2026-01-05T03:00:00Z","endsAt":"2026-01-05T03:05:29Z"},{"labels":{"a":"open"},"endsAt":"2026-01-05T03:05:31Z"}]`)
	post(t, in, healthz, `{"service":"shop/cart","status":"degraded","latency_ms":1500,"check":"http"}`)
	post(t, in, changes, `{"service":"shop/cart","kind":"deploy","summary":"cart 1.8"}`)
	cart := topology.Ref{Namespace: "shop", Name: "cart"}
	want := []correlate.Signal{
		&correlate.AlertBatch{Source: "prometheus", Alerts: []correlate.Alert{
			{Labels: map[string]string{"a": "over"}, Status: correlate.Resolved, StartsAt: arrived.Add(-330 * time.Second), EndsAt: arrived.Add(-time.Second)},
			{Labels: map[string]string{"a": "open"}, StartsAt: arrived, EndsAt: arrived.Add(time.Second)},
		}},
		&correlate.HealthBatch{Source: "webhook", Results: []correlate.HealthResult{{Service: cart, Check: "http", Status: correlate.HealthDegraded, Latency: 1500 * time.Millisecond}}},
		&correlate.Change{Service: cart, Kind: "deploy", Summary: "cart 1.8", Source: "webhook"},
	}
	noFingerprint := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Fingerprint" }, cmp.Ignore())
	if diff := cmp.Diff(want, s.signals, noFingerprint); diff != "" {
		t.Errorf("signals (-want +got):\n%s", diff)
	}
}

// The whole group is sent again whenever anything in it changes: it is published
// as one batch, repeats and all, in the order of the body.
func TestLessonAlertmanagerWholeGroupResent(t *testing.T) {
	s := &stream{}
	in := newIntake(t, Options{Publisher: s})
	post(t, in, webhook, group(firing))
	post(t, in, webhook, group(firing, resolved))
	if len(s.signals) != 2 {
		t.Fatalf("%d signals, want 2", len(s.signals))
	}
	first, second := s.signals[0].(*correlate.AlertBatch), s.signals[1].(*correlate.AlertBatch)
	if len(second.Alerts) != 2 || !cmp.Equal(first.Alerts[0], second.Alerts[0]) || second.Alerts[1].Status != correlate.Resolved {
		t.Errorf("second batch %+v", second.Alerts)
	}
}

func TestLessonAlertmanagerZeroEndsAt(t *testing.T) {
	s := &stream{}
	post(t, newIntake(t, Options{Publisher: s}), webhook, group(firing))
	if a := s.signals[0].(*correlate.AlertBatch).Alerts[0]; !a.EndsAt.IsZero() || a.Status != correlate.Firing {
		t.Errorf("alert %+v", a)
	}
}

// Alertmanager adds its group waits: what arrives late began when it says.
func TestLesson08LateArrivalKeepsItsStart(t *testing.T) {
	s := &stream{}
	in := newIntake(t, Options{Publisher: s, Now: func() time.Time { return arrived.Add(6 * time.Hour) }})
	post(t, in, webhook, group(firing))
	post(t, in, v2, `[{"labels":{"a":"b"},"startsAt":"2026-01-05T03:00:12Z"}]`)
	began := time.Date(2026, 1, 5, 3, 0, 12, 0, time.UTC)
	for _, sig := range s.signals {
		if b := sig.(*correlate.AlertBatch); !b.Alerts[0].StartsAt.Equal(began) {
			t.Errorf("%s: starts at %v", b.Source, b.Alerts[0].StartsAt)
		}
	}
}

// The stream being down is 5xx for everybody: Alertmanager takes 4xx, 429 included, for final.
func TestLesson25StreamDownIs503(t *testing.T) {
	for path, body := range good {
		for name, s := range map[string]*stream{
			"refused":                   {refuse: down, refuseLetter: errDown},
			"stored, then reported bad": {lie: errDown},
			"an error we do not know":   {refuse: func(correlate.Signal) error { return errors.New("odd") }},
			"time is up":                {refuse: func(correlate.Signal) error { return context.DeadlineExceeded }},
		} {
			got := post(t, newIntake(t, Options{Publisher: s}), path, body)
			if got.Code != 503 || got.Header.Get("Retry-After") == "" || got.Error == "" || got.Accepted != 0 {
				t.Errorf("%s, %s: %+v", path, name, got)
			}
			if len(s.letters) != 0 {
				t.Errorf("%s, %s: dead letter for a sound body", path, name)
			}
		}
	}
}

func TestLesson25UndecodableWebhookIsKeptAnd200(t *testing.T) {
	for name, body := range map[string]string{"not JSON": "payload=x", "empty": "", "cut off": group(firing)[:80], "another webhook": `{"event":"push"}`, "only bad alerts": group(`{"labels":{}}`)} {
		s := &stream{}
		got := post(t, newIntake(t, Options{Publisher: s}), webhook, body, "Content-Type", "text/x-odd")
		if got.Code != 200 || !got.DeadLetter || got.Error == "" || got.Line != 1 || got.Accepted != 0 {
			t.Errorf("%s: answer %+v", name, got)
		}
		if len(s.letters) != 1 || len(s.signals) != 0 {
			t.Fatalf("%s: %d dead letters, %d signals", name, len(s.letters), len(s.signals))
		}
		want := bus.DeadLetter{Source: webhook, ContentType: "text/x-odd", Reason: got.Error, Body: []byte(body), RemoteAddr: "192.0.2.1:1234"}
		if diff := cmp.Diff(want, s.letters[0]); diff != "" {
			t.Errorf("%s: dead letter (-want +got):\n%s", name, diff)
		}
	}
}

func TestLesson25DeadLetterThatCannotBeStoredIs503(t *testing.T) {
	for _, path := range []string{webhook, v2} {
		s := &stream{refuseLetter: errDown}
		if got := post(t, newIntake(t, Options{Publisher: s}), path, "nonsense"); got.Code != 503 || got.DeadLetter {
			t.Errorf("%s: %+v", path, got)
		}
	}
	// Also when good alerts were stored beside the bad: sent again, they are recognised.
	s := &stream{refuseLetter: errDown}
	if got := post(t, newIntake(t, Options{Publisher: s}), webhook, group(firing, `{}`)); got.Code != 503 || len(s.signals) != 1 {
		t.Errorf("good and bad: %+v, %d signals", got, len(s.signals))
	}
}

func TestGoodAlertsArePublishedBesideBadOnes(t *testing.T) {
	for path, body := range map[string]string{
		webhook: group(firing, `{"labels":{"a":"b"}}`, resolved),
		v2:      `[{"labels":{"a":"b"}},{"labels":{"":"nameless"}},{"labels":{"a":"c"}}]`,
	} {
		s := &stream{}
		got := post(t, newIntake(t, Options{Publisher: s}), path, body)
		if got.Code != 200 || got.Accepted != 2 || got.Rejected != 1 || got.Position != 1 || !got.DeadLetter || !strings.HasPrefix(got.Field, "alerts[1].") {
			t.Errorf("%s: answer %+v", path, got)
		}
		if len(s.signals) != 1 || len(s.letters) != 1 || string(s.letters[0].Body) != body {
			t.Errorf("%s: %d signals, dead letters %+v", path, len(s.signals), s.letters)
		}
	}
}

func TestV2WithoutAnyGoodAlertIs400AndKept(t *testing.T) {
	for _, body := range []string{`[{"labels":{}}]`, `{"alerts":[]}`, ``, `null`} {
		s := &stream{}
		got := post(t, newIntake(t, Options{Publisher: s}), v2, body)
		if got.Code != 400 || !got.DeadLetter || len(s.letters) != 1 || len(s.signals) != 0 {
			t.Errorf("%q: %+v, %d dead letters", body, got, len(s.letters))
		}
	}
}

func TestEverybodyElseGets400WithTheField(t *testing.T) {
	for _, tc := range []struct{ path, body, field string }{
		{healthz, `[{"service":"a","status":"up"},` + "\n" + `{"service":"b","status":"meh"}]`, "[1].status"},
		{healthz, `{`, ""},
		{changes, "{\"kind\":\n\"x y\"}", "kind"},
	} {
		s := &stream{}
		got := post(t, newIntake(t, Options{Publisher: s}), tc.path, tc.body)
		if got.Code != 400 || got.Field != tc.field || got.Line != 1+strings.Count(tc.body, "\n") || got.DeadLetter || len(s.letters)+len(s.signals) != 0 {
			t.Errorf("%s %q: %+v", tc.path, tc.body, got)
		}
	}
}

func TestNothingToSayIsNotPublished(t *testing.T) {
	for path, body := range map[string]string{webhook: group(), v2: `[]`, healthz: `{"results":[]}`, changes: `[]`} {
		s := &stream{}
		if got := post(t, newIntake(t, Options{Publisher: s}), path, body); got.Code != 200 || got.Accepted != 0 || len(s.signals)+len(s.letters) != 0 {
			t.Errorf("%s: %+v, %d signals", path, got, len(s.signals))
		}
	}
}

// One alert that no message can hold: the others were stored, it is kept as far as it goes.
func TestAlertTooLargeForTheStream(t *testing.T) {
	tooLarge := fmt.Errorf("%w: alert x", bus.ErrTooLarge)
	s := &stream{lie: tooLarge}
	in := newIntake(t, Options{Publisher: s})
	if got := post(t, in, webhook, good[webhook]); got.Code != 200 || !got.DeadLetter || got.Accepted == 0 || !strings.Contains(got.Error, "alert x") {
		t.Errorf("beside others: %+v", got)
	}
	s.refuse = func(correlate.Signal) error { return tooLarge }
	for path, want := range map[string]int{webhook: 200, v2: 400, healthz: 413, changes: 413} {
		if got := post(t, in, path, good[path]); got.Code != want || got.Accepted != 0 {
			t.Errorf("%s alone: %+v, want %d", path, got, want)
		}
	}
}

func TestListOfChangesThatBreaksOffSaysHowFarItCame(t *testing.T) {
	s := &stream{}
	s.refuse = func(correlate.Signal) error {
		if len(s.signals) == 1 {
			return errDown
		}
		return nil
	}
	if got := post(t, newIntake(t, Options{Publisher: s}), changes, good[changes]); got.Code != 503 || got.Accepted != 1 {
		t.Errorf("answer %+v, want 503 with 1 accepted", got)
	}
}

func TestOnlyPostToTheFourPaths(t *testing.T) {
	in := newIntake(t, Options{Publisher: &stream{}})
	for _, tc := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, webhook, 405},
		{http.MethodPut, v2, 405},
		{http.MethodDelete, healthz, 405},
		{http.MethodPost, "/", 404},
		{http.MethodGet, "/api/v2/status", 404},
		{http.MethodPost, webhook + "/", 404},
		{http.MethodPost, "/api/v1/alerts", 404},
	} {
		w := httptest.NewRecorder()
		in.ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, strings.NewReader(good[webhook])))
		if w.Code != tc.want || w.Code == 405 && w.Header().Get("Allow") != "POST" {
			t.Errorf("%s %s: %d, Allow %q; want %d", tc.method, tc.path, w.Code, w.Header().Get("Allow"), tc.want)
		}
	}
}

func zip(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGzip(t *testing.T) {
	for path, body := range good {
		s := &stream{}
		if got := post(t, newIntake(t, Options{Publisher: s}), path, zip(t, body), "Content-Encoding", "gzip"); got.Code != 200 || got.Accepted != 2 {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

func TestBodiesThatCannotBeDecompressed(t *testing.T) {
	cut := zip(t, good[webhook])[:40]
	for _, tc := range []struct {
		encoding, body string
		want           map[string]int
	}{
		{"gzip", "plain", map[string]int{webhook: 200, v2: 400, healthz: 400, changes: 400}},
		{"gzip", cut, map[string]int{webhook: 200, v2: 400, healthz: 400, changes: 400}},
		{"zstd", "plain", map[string]int{webhook: 200, v2: 400, healthz: 415, changes: 415}},
	} {
		for path, want := range tc.want {
			s := &stream{}
			got := post(t, newIntake(t, Options{Publisher: s}), path, tc.body, "Content-Encoding", tc.encoding)
			kept := len(s.letters) == 1 && string(s.letters[0].Body) == tc.body
			if got.Code != want || got.DeadLetter != kept || kept != (path == webhook || path == v2) {
				t.Errorf("%s of %s to %s: %+v, %d dead letters", tc.encoding, tc.body, path, got, len(s.letters))
			}
		}
	}
}

func TestBodiesOverTheLimit(t *testing.T) {
	var log bytes.Buffer
	now := arrived
	s := &stream{}
	in := newIntake(t, Options{
		Publisher: s, MaxBodyBytes: 100 << 10, MaxWebhookBytes: 200 << 10, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Now: func() time.Time { return now },
	})
	body := strings.Repeat(" ", 201<<10) + good[webhook]
	for path, want := range map[string]int{v2: 413, healthz: 413, changes: 413} {
		for name, got := range map[string]response{"plain": post(t, in, path, body), "a bomb": post(t, in, path, zip(t, body), "Content-Encoding", "gzip")} {
			if got.Code != want || len(s.letters)+len(s.signals) != 0 {
				t.Errorf("%s, %s: %+v", path, name, got)
			}
		}
	}
	// Alertmanager is asked to try again, and the way out is in the log.
	for name, got := range map[string]response{"plain": post(t, in, webhook, body), "a bomb": post(t, in, webhook, zip(t, body), "Content-Encoding", "gzip")} {
		if got.Code != 503 || got.DeadLetter || !strings.Contains(got.Error, "max_alerts") {
			t.Errorf("webhook, %s: %+v", name, got)
		}
	}
	if len(s.letters) != 1 || len(s.letters[0].Body) != oversizePrefix || len(s.signals) != 0 {
		t.Errorf("%d dead letters within a minute, want the beginning of one", len(s.letters))
	}
	if strings.Count(log.String(), "max_alerts") != 1 {
		t.Errorf("log:\n%s", &log)
	}
	now = now.Add(oversizeInterval)
	if post(t, in, webhook, body); len(s.letters) != 2 {
		t.Errorf("%d dead letters a minute later, want 2", len(s.letters))
	}
}

// Exactly the limit is allowed, on either side of the size that needs a large place.
func TestBodyOfTheLimit(t *testing.T) {
	for _, limit := range []int{1000, smallBody - 1, smallBody, smallBody + 1, smallBody + 12345} {
		in := newIntake(t, Options{Publisher: &stream{}, MaxBodyBytes: int64(limit)})
		body := good[v2] + strings.Repeat(" ", limit-len(good[v2]))
		for name, got := range map[string]response{
			"plain": post(t, in, v2, body), "gzip": post(t, in, v2, zip(t, body), "Content-Encoding", "gzip"),
		} {
			if got.Code != 200 {
				t.Errorf("limit %d, %s: %+v", limit, name, got)
			}
		}
		if got := post(t, in, v2, body+" "); got.Code != 413 {
			t.Errorf("limit %d and a byte: %+v", limit, got)
		}
	}
}

// broken is a body that breaks off.
type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestBodyThatBreaksOffIsNotUsed(t *testing.T) {
	for path, body := range good {
		s := &stream{}
		w := httptest.NewRecorder()
		newIntake(t, Options{Publisher: s}).ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, broken{strings.NewReader(body)}))
		if w.Code != 503 || len(s.signals)+len(s.letters) != 0 {
			t.Errorf("%s: %d, %d signals, %d dead letters", path, w.Code, len(s.signals), len(s.letters))
		}
	}
}

// A sender that never gets done with its body must not keep its place.
func TestSlowSenderIsCutOff(t *testing.T) {
	in := newIntake(t, Options{Publisher: &stream{}, Timeout: 50 * time.Millisecond, MaxInFlight: 1})
	server := httptest.NewServer(in)
	defer server.Close()
	body, never := io.Pipe()
	defer never.Close()
	got, err := http.Post(server.URL+webhook, "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("answer %s, want 503", got.Status)
	}
	if next := post(t, in, webhook, good[webhook]); next.Code != 200 {
		t.Errorf("the next one: %+v", next)
	}
}

func TestPanicsAreContained(t *testing.T) {
	var log bytes.Buffer
	s := &stream{refuse: func(correlate.Signal) error { panic("boom") }}
	in := newIntake(t, Options{Publisher: s, Logger: slog.New(slog.NewTextHandler(&log, nil)), MaxInFlight: 1})
	for path, body := range good {
		if got := post(t, in, path, body); got.Code != 500 {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if !strings.Contains(log.String(), "boom") || !strings.Contains(log.String(), "intake_test.go") {
		t.Errorf("log without the panic and its stack:\n%s", &log)
	}
	// Its place was given back, each time.
	s.refuse = nil
	if got := post(t, in, webhook, good[webhook]); got.Code != 200 {
		t.Errorf("afterwards: %+v", got)
	}
}

// A body at which the decoder panics would come back for ever if it were answered 5xx.
func TestPanicInTheDecoderMakesTheBodyUnusable(t *testing.T) {
	explode := func([]byte) (*correlate.AlertBatch, error) { panic("boom") }
	_, err := contain([]byte(good[webhook]), explode)
	for path, want := range map[string]int{webhook: 200, v2: 500} {
		s := &stream{}
		in := newIntake(t, Options{Publisher: s})
		e := endpoint{path: path, keeps: true, neverRefuses: path == webhook}
		a := in.takeAlerts(t.Context(), &request{endpoint: e, body: []byte(good[webhook])}, nil, err)
		if max(a.code, 200) != want || len(s.letters) != 1 {
			t.Errorf("%s: %+v, %d dead letters", path, a, len(s.letters))
		}
	}
}

func TestOutageIsLoggedOnceAndItsEndToo(t *testing.T) {
	var log bytes.Buffer
	s := &stream{refuse: down}
	in := newIntake(t, Options{Publisher: s, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for range 3 {
		post(t, in, webhook, good[webhook])
	}
	s.refuse = nil
	for range 3 {
		post(t, in, webhook, good[webhook])
	}
	if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "no space left on device") {
		t.Errorf("%d lines in the log, want 2:\n%s", n, &log)
	}
}

func TestByteOrderMarkIsNoMistake(t *testing.T) {
	if got := post(t, newIntake(t, Options{Publisher: &stream{}}), webhook, "\xef\xbb\xbf"+good[webhook]); got.Code != 200 || got.Accepted != 2 || got.DeadLetter {
		t.Errorf("answer %+v", got)
	}
}

func TestReportChecksLikeTheWebhook(t *testing.T) {
	s := &stream{}
	in := newIntake(t, Options{Publisher: s})
	result := func(name string) correlate.HealthResult {
		return correlate.HealthResult{Service: topology.Ref{Name: name}, Status: correlate.HealthFailing}
	}
	pos, err := in.Report(t.Context(), &correlate.HealthBatch{Source: "api", Results: []correlate.HealthResult{result("cart"), result("web")}})
	if err != nil || pos != 1 || len(s.signals) != 1 {
		t.Errorf("position %d, error %v", pos, err)
	}
	_, err = in.Report(t.Context(), &correlate.HealthBatch{Results: []correlate.HealthResult{result("cart"), result("")}})
	var field interface{ Field() string }
	if !errors.As(err, &field) || field.Field() != "results[1].service" || len(s.signals) != 1 {
		t.Errorf("error %v, want one about results[1].service", err)
	}
	s.refuse = down
	if _, err := in.Report(t.Context(), &correlate.HealthBatch{Results: []correlate.HealthResult{result("cart")}}); !errors.Is(err, bus.ErrUnavailable) || errors.As(err, &field) {
		t.Errorf("error %v, want one to try again after", err)
	}
	if pos, err := in.Report(t.Context(), &correlate.HealthBatch{}); pos != 0 || err != nil {
		t.Errorf("nothing to report: %d, %v", pos, err)
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no publisher":     {},
		"negative body":    {Publisher: &stream{}, MaxBodyBytes: -1},
		"negative flight":  {Publisher: &stream{}, MaxInFlight: -1},
		"negative timeout": {Publisher: &stream{}, Timeout: -1},
	} {
		if in, err := New(o); err == nil || in != nil {
			t.Errorf("%s: no error", name)
		}
	}
	reg := prometheus.NewRegistry()
	if _, err := New(Options{Publisher: &stream{}, Registerer: reg}); err != nil {
		t.Error(err)
	}
}

package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/alertmanager"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// alert is one that began minutes before noon; its name is its fingerprint.
func alert(name string, minutes int) correlate.Alert {
	return correlate.Alert{Fingerprint: name, Labels: map[string]string{"alertname": name}, StartsAt: noon.Add(-time.Duration(minutes) * time.Minute)}
}

func held(name string, minutes int, silences ...string) alertmanager.Held {
	return alertmanager.Held{Alert: alert(name, minutes), Mutes: alertmanager.Mutes{SilencedBy: silences}}
}

// known is an alert that fires here, last told of at noon.
func known(name string, minutes int, edit ...func(*correlate.AlertState)) *correlate.AlertState {
	k := &correlate.AlertState{Alert: alert(name, minutes), Sender: correlate.SourceAlertmanager, SenderURL: "http://am/", LastSeen: noon.Add(-10 * time.Minute)}
	for _, e := range edit {
		e(k)
	}
	return k
}

func from(sender, url string) func(*correlate.AlertState) {
	return func(k *correlate.AlertState) { k.Sender, k.SenderURL = sender, url }
}

func mutedHere(reason string) func(*correlate.AlertState) {
	return func(k *correlate.AlertState) { k.Muted = reason }
}

func seen(at time.Time) func(*correlate.AlertState) {
	return func(k *correlate.AlertState) { k.LastSeen = at }
}

// told renders alerts as "name@minutes word reason".
func told(alerts []correlate.Alert) string {
	var parts []string
	for _, a := range alerts {
		text := fmt.Sprintf("%s@%.0f %s", a.Fingerprint, noon.Sub(a.StartsAt).Minutes(), a.Status)
		if a.Muted != "" {
			text += " " + a.Muted
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func TestWhatDiffers(t *testing.T) {
	old := time.Hour
	for _, tc := range []struct {
		point string
		held  []alertmanager.Held
		known []*correlate.AlertState
		want  string
	}{
		{"nothing", []alertmanager.Held{held("a", 5)}, []*correlate.AlertState{known("a", 5)}, ""},
		{"missing here", []alertmanager.Held{held("a", 5), held("b", 3, "s1")}, []*correlate.AlertState{known("a", 5)}, "b@3 firing silenced by s1"},
		{"began anew, and nobody said so", []alertmanager.Held{held("a", 5)}, []*correlate.AlertState{known("a", 50)}, "a@5 firing"},
		{"Prometheus knows an earlier start", []alertmanager.Held{held("a", 5)}, []*correlate.AlertState{known("a", 50, from("prometheus", ""))}, ""},
		{"here it began later: it is told with our start", []alertmanager.Held{held("a", 50, "s1")}, []*correlate.AlertState{known("a", 5)}, "a@5 firing silenced by s1"},
		{"silenced now", []alertmanager.Held{held("a", 5, "s2", "s1")}, []*correlate.AlertState{known("a", 5)}, "a@5 firing silenced by s1"},
		{"silenced as before", []alertmanager.Held{held("a", 5, "s1")}, []*correlate.AlertState{known("a", 5, mutedHere("silenced by s1"))}, ""},
		{"silenced no longer", []alertmanager.Held{held("a", 5)}, []*correlate.AlertState{known("a", 5, mutedHere("silenced by s1"))}, "a@5 firing"},
		{"no news for long", []alertmanager.Held{held("a", 50, "s1")}, []*correlate.AlertState{known("a", 50, mutedHere("silenced by s1"), seen(noon.Add(-old)))}, "a@50 firing silenced by s1"},
		{"two instances: the latest counts", []alertmanager.Held{held("a", 5)}, []*correlate.AlertState{known("a", 5), known("a", 50)}, ""},
	} {
		t.Run(tc.point, func(t *testing.T) {
			v := &view{now: noon, externalURL: "http://am", complete: true, known: tc.known, refresh: 30 * time.Minute, answers: []answer{{held: tc.held}}}
			got, found := compare(v, map[correlate.AlertID]time.Time{})
			if told(got) != tc.want {
				t.Errorf("got %s, want %s", told(got), tc.want)
			}
			if n := found.missing + found.gone + found.muted + found.unmuted + found.confirmed; n != len(got) {
				t.Errorf("%+v counts %d of %d", found, n, len(got))
			}
		})
	}
}

func TestWhatIsGoneThereEndsHere(t *testing.T) {
	for _, tc := range []struct {
		point string
		edit  func(*view)
		of    []func(*correlate.AlertState)
		ends  bool
	}{
		{"its own, missing for a while", func(*view) {}, nil, true},
		{"brought by an earlier comparison", func(*view) {}, []func(*correlate.AlertState){from(correlate.SourceReconciliation, "http://am")}, true},
		{"of another Alertmanager", func(*view) {}, []func(*correlate.AlertState){from(correlate.SourceAlertmanager, "http://other")}, false},
		{"of Prometheus", func(*view) {}, []func(*correlate.AlertState){from("prometheus", "")}, false},
		{"of a health check", func(*view) {}, []func(*correlate.AlertState){from("health", "")}, false},
		{"of any Alertmanager, when there is one", func(v *view) { v.externalURL = "" }, []func(*correlate.AlertState){from(correlate.SourceAlertmanager, "http://other")}, true},
		{"of Prometheus, when there is one Alertmanager", func(v *view) { v.externalURL = "" }, []func(*correlate.AlertState){from("prometheus", "")}, false},
		{"a member did not answer", func(v *view) { v.complete = false }, nil, false},
		{"a member was just started", func(v *view) { v.answers[0].started = v.now.Add(-4 * time.Minute) }, nil, false},
		{"another member has it", func(v *view) { v.answers = append(v.answers, answer{held: []alertmanager.Held{held("a", 20)}}) }, nil, false},
		{"news came meanwhile", func(*view) {}, []func(*correlate.AlertState){seen(noon.Add(20 * time.Second))}, false},
	} {
		t.Run(tc.point, func(t *testing.T) {
			absent := map[correlate.AlertID]time.Time{}
			look := func(after time.Duration) string {
				v := &view{now: noon.Add(after), externalURL: "http://am", complete: true, known: []*correlate.AlertState{known("a", 20, tc.of...)}, answers: []answer{{}}}
				tc.edit(v)
				got, _ := compare(v, absent)
				return told(got)
			}
			if got := look(0) + look(10*time.Second); got != "" {
				t.Fatalf("at once: %s", got)
			}
			want := ""
			if tc.ends {
				want = "a@20 resolved"
			}
			if got := look(31 * time.Second); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestMissingMustBeInOneRun(t *testing.T) {
	absent := map[correlate.AlertID]time.Time{}
	look := func(after time.Duration, there ...alertmanager.Held) string {
		v := &view{now: noon.Add(after), complete: true, known: []*correlate.AlertState{known("a", 20)}, answers: []answer{{held: there}}}
		got, _ := compare(v, absent)
		return told(got)
	}
	if got := look(0) + look(20*time.Second, held("a", 20)) + look(40*time.Second); got != "" {
		t.Errorf("it was there in between: %s", got)
	}
	if got := look(70 * time.Second); got != "a@20 resolved" {
		t.Errorf("got %q", got)
	}
}

func TestReasonsInWords(t *testing.T) {
	a := answer{
		held: []alertmanager.Held{{Alert: correlate.Alert{Fingerprint: "f0", Labels: map[string]string{"alertname": "MySQLDown"}}}},
		silences: []alertmanager.Silence{
			{ID: "s1", CreatedBy: "alice", Comment: "upgrade", EndsAt: noon},
			{ID: "s2", CreatedBy: "bob"},
			{ID: "s3", CreatedBy: "carol", Comment: strings.Repeat("long ", 100)},
		},
	}
	n := namesOf(&a)
	for _, tc := range []struct {
		m    alertmanager.Mutes
		want string
	}{
		{alertmanager.Mutes{}, ""},
		{alertmanager.Mutes{SilencedBy: []string{"s1"}}, "silenced by alice until 2026-11-20 12:00 UTC: upgrade (s1)"},
		{alertmanager.Mutes{SilencedBy: []string{"s2"}, InhibitedBy: []string{"f0"}}, "silenced by bob (s2)"},
		{alertmanager.Mutes{SilencedBy: []string{"absent"}}, "silenced by absent"},
		{alertmanager.Mutes{InhibitedBy: []string{"f0"}}, "inhibited by MySQLDown (f0)"},
		{alertmanager.Mutes{InhibitedBy: []string{"f1"}}, "inhibited by (f1)"},
		{alertmanager.Mutes{MutedBy: []string{"weekends", "nights"}}, "muted by the time interval nights"},
	} {
		got := n.reason(&tc.m)
		if got != tc.want {
			t.Errorf("%+v: got %q, want %q", tc.m, got, tc.want)
		}
	}
	if got := n.reason(&alertmanager.Mutes{SilencedBy: []string{"s3"}}); len(got) > maxReason {
		t.Errorf("%d bytes", len(got))
	}
}

func TestOneMemberThatTellsIsEnough(t *testing.T) {
	v := &view{now: noon, answers: []answer{{held: []alertmanager.Held{held("a", 5, "s1"), held("b", 5, "s1")}}, {held: []alertmanager.Held{held("a", 5)}}}}
	got, _ := compare(v, map[correlate.AlertID]time.Time{})
	if told(got) != "a@5 firing, b@5 firing silenced by s1" {
		t.Errorf("got %s", told(got))
	}
}

// there is an Alertmanager and Headwater's committed state in one: what is published is known at once.
type there struct {
	mu    sync.Mutex
	held  []alertmanager.Held
	known map[string]*correlate.AlertState
	err   error
	asked []time.Duration // since the start

	began time.Time
}

func (s *there) ask(context.Context) (answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, time.Since(s.began))
	return answer{held: slices.Clone(s.held)}, s.err
}

func (s *there) Firing(context.Context) ([]*correlate.AlertState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.known)), nil
}

func (s *there) Publish(_ context.Context, sig correlate.Signal) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := sig.(*correlate.AlertBatch)
	for _, a := range b.Alerts {
		delete(s.known, a.Fingerprint)
		if a.Status == correlate.Firing {
			s.known[a.Fingerprint] = &correlate.AlertState{Alert: a, Sender: b.Source, SenderURL: b.ExternalURL, LastSeen: time.Now()}
		}
	}
	return 1, nil
}

func (s *there) set(err error, held ...alertmanager.Held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.err = held, err
}

func (s *there) names() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(slices.Sorted(maps.Keys(s.known)), " ")
}

func TestOnAPeriodAndAfterATruncatedNotification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &there{known: map[string]*correlate.AlertState{}, began: time.Now()}
		r := New(Options{Publisher: s, Keeper: s, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
		if err := r.Apply(Settings{Alertmanagers: []Alertmanager{{URL: "http://am", ExternalURL: "http://am", Interval: time.Minute}}}); err != nil {
			t.Fatal(err)
		}
		r.groups[0].members = []asker{s}
		s.set(nil, held("a", 5))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		synctest.Wait()
		if got := s.names(); got != "a" {
			t.Errorf("at the start: %q", got)
		}
		time.Sleep(20 * time.Second)
		s.set(nil, held("a", 5), held("b", 1))
		r.Truncated(&correlate.AlertBatch{ExternalURL: "http://other"})
		synctest.Wait()
		if got := s.names(); got != "a" {
			t.Errorf("another Alertmanager's notification: %q", got)
		}
		r.Truncated(&correlate.AlertBatch{ExternalURL: "http://am/"})
		synctest.Wait()
		if got := s.names(); got != "a b" {
			t.Errorf("after the truncated notification: %q", got)
		}
		s.set(nil, held("b", 1))
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := s.names(); got != "a b" {
			t.Errorf("missing once: %q", got)
		}
		s.set(errors.New("refused"))
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := s.names(); got != "a b" {
			t.Errorf("away: %q", got)
		}
		s.set(nil, held("b", 1))
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := s.names(); got != "b" {
			t.Errorf("gone there: %q", got)
		}
		if len(s.asked) != 7 || s.asked[0] != 0 || s.asked[1] != 20*time.Second || s.asked[2] != 80*time.Second {
			t.Errorf("asked at %v", s.asked)
		}
		if err := r.Apply(Settings{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if len(s.asked) != 7 {
			t.Errorf("asked although no longer configured: %v", s.asked)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestOnceGoesByTheTimeThatItIsTold(t *testing.T) {
	s := &there{known: map[string]*correlate.AlertState{"a": known("a", 5)}}
	r := New(Options{Publisher: s, Keeper: s, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	r.groups = []*group{{members: []asker{s}, o: &r.o, metrics: r.metrics, absent: map[correlate.AlertID]time.Time{}}}
	for _, at := range []time.Time{noon, noon.Add(grace - time.Second), noon.Add(grace)} {
		if s.names() != "a" {
			t.Errorf("ended before it was missing for %v", grace)
		}
		if err := r.Once(t.Context(), at); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.names(); got != "" {
		t.Errorf("%s still fires", got)
	}
}

func TestTheAPIAsItIs(t *testing.T) {
	var queries []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "ops" || password != "let me in" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		queries = append(queries, r.URL.String())
		name := "api-" + strings.TrimPrefix(r.URL.Path, "/am/api/v2/") + ".json"
		text, err := os.ReadFile(filepath.Join("..", "alertmanager", "testdata", filepath.Base(name)))
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(text)
	}))
	defer server.Close()
	c, err := newClient(Alertmanager{
		URL: server.URL + "/am/", Timeout: 5 * time.Second, Receiver: "headwater", Matchers: []string{`team="shop"`, `env="prod"`},
		HTTP: config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "ops", Password: "let me in"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.ask(t.Context())
	if err != nil || len(a.held) != 3 || len(a.silences) != 1 || a.started.IsZero() {
		t.Fatalf("%+v, error %v", a, err)
	}
	if want := "/am/api/v2/alerts?filter=team%3D%22shop%22&filter=env%3D%22prod%22&receiver=headwater"; !slices.Contains(queries, want) {
		t.Errorf("asked %v", queries)
	}
	v := &view{now: time.Date(2026, 11, 20, 8, 33, 0, 0, time.UTC), answers: []answer{a}, complete: true}
	alerts, found := compare(v, map[correlate.AlertID]time.Time{})
	if found.missing != 3 || alerts[1].Muted != "inhibited by MySQLDown (1f2d3c4b5a697887)" ||
		alerts[2].Muted != "silenced by storage-oncall until 2026-11-20 18:00 UTC: disks are being replaced, CHG-1187 (9bb2a3f0-54b9-4c1c-9c5e-0c2e5b2f7d11)" {
		t.Errorf("%+v: %s", found, told(alerts))
	}
	c.HTTP.BasicAuth.Password = "no"
	c, err = newClient(c.Alertmanager)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ask(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("error %v", err)
	}
}

func TestStatusTellsSinceWhenNobodyAnswers(t *testing.T) {
	s := &there{}
	r := New(Options{Publisher: s, Keeper: s, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if err := r.Apply(Settings{Alertmanagers: []Alertmanager{{URL: "http://127.0.0.1:1", Interval: time.Minute, Timeout: time.Second}}}); err != nil {
		t.Fatal(err)
	}
	if got := r.Status(); len(got) != 1 || got[0].Error != "" {
		t.Errorf("before it was asked: %+v", got)
	}
	for range 2 {
		if err := r.Once(t.Context(), time.Now()); err == nil {
			t.Fatal("nobody answered, and no error")
		}
	}
	got := r.Status()
	if len(got) != 1 || got[0].Alertmanager != "http://127.0.0.1:1" || got[0].Error == "" || got[0].FailingSince.IsZero() {
		t.Fatalf("failing: %+v", got)
	}
	r.groups[0].note(nil)
	if got := r.Status(); got[0].Error != "" || !got[0].FailingSince.IsZero() {
		t.Errorf("it answers again: %+v", got)
	}
}

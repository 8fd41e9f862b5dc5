package day

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// Alertmanager groups the day's alerts and notifies of them as a real one does: the whole
// group after group_wait, then at every group_interval if it changed, and after
// repeat_interval if it did not. What it silences it says nothing of, unless it is asked.
type Alertmanager struct {
	groupBy                                  []string
	groupWait, groupInterval, repeatInterval time.Duration

	alerts   []*alert
	silences []silence
}

// ExternalURL is what it calls itself.
const ExternalURL = "http://alertmanager.example.org"

func newAlertmanager() *Alertmanager {
	return &Alertmanager{groupBy: []string{"service", "namespace"}, groupInterval: 10 * time.Second, repeatInterval: 4 * time.Hour}
}

// alert is one from its first notification to its end; end is zero as long as nobody ended it.
type alert struct {
	labels, annotations map[string]string
	start, seen, end    time.Time
	line                int
}

func (a *alert) firing(at time.Time) bool {
	return !a.seen.After(at) && (a.end.IsZero() || a.end.After(at))
}

func (a *alert) has(labels map[string]string) bool {
	for name, value := range labels {
		if a.labels[name] != value {
			return false
		}
	}
	return true
}

func (a *alert) fingerprint() string {
	set := make(model.LabelSet, len(a.labels))
	for k, v := range a.labels {
		set[model.LabelName(k)] = model.LabelValue(v)
	}
	return set.Fingerprint().String()
}

func (a *alert) String() string { return a.labels["service"] + " " + a.labels["alertname"] }

type silence struct {
	matchers    map[string]string
	from, until time.Time
	by, comment string
}

func (s *silence) active(at time.Time) bool { return !s.from.After(at) && s.until.After(at) }

// configure reads "group_by=service,namespace group_wait=10s …".
func (m *Alertmanager) configure(w []string) error {
	plain, opts := options(w)
	if len(plain) > 0 {
		return fmt.Errorf("%q is no setting; want group_by=a,b, group_wait=, group_interval=, repeat_interval=", plain[0])
	}
	durations := map[string]*time.Duration{"group_wait": &m.groupWait, "group_interval": &m.groupInterval, "repeat_interval": &m.repeatInterval}
	for _, name := range slices.Sorted(maps.Keys(opts)) {
		into, ok := durations[name]
		switch {
		case name == "group_by":
			m.groupBy = strings.Split(opts[name], ",")
		case !ok:
			return fmt.Errorf("there is no setting %s; want group_by, group_wait, group_interval, repeat_interval", name)
		default:
			d, err := duration(opts[name])
			if err != nil {
				return err
			}
			*into = d
		}
	}
	if m.groupInterval <= 0 || m.repeatInterval <= 0 {
		return errors.New("group_interval and repeat_interval must be longer than 0s")
	}
	return nil
}

func (m *Alertmanager) fire(a *alert) error {
	for _, other := range m.alerts {
		if other.firing(a.seen) && maps.Equal(other.labels, a.labels) {
			return fmt.Errorf("%s fires already, since line %d; give it a label of its own, or resolve that one before", a, other.line)
		}
	}
	m.alerts = append(m.alerts, a)
	return nil
}

// end ends what fires with the labels, and says how many that are.
func (m *Alertmanager) end(at time.Time, want map[string]string) int {
	n := 0
	for _, a := range m.alerts {
		if a.firing(at) && a.has(want) {
			a.end = at
			n++
		}
	}
	return n
}

func (m *Alertmanager) silence(s silence) { m.silences = append(m.silences, s) }

// silenced tells which silences an alert has.
func (m *Alertmanager) silenced(a *alert, at time.Time) (ids []string) {
	for i := range m.silences {
		if s := &m.silences[i]; s.active(at) && a.has(s.matchers) {
			ids = append(ids, silenceID(i))
		}
	}
	return ids
}

func silenceID(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i+1) }

// steps are its notifications until end.
func (m *Alertmanager) steps(end time.Time) []Step {
	groups := map[string][]*alert{}
	for _, a := range m.alerts {
		groups[m.groupKey(a)] = append(groups[m.groupKey(a)], a)
	}
	steps := m.asks()
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		g := &group{manager: m, key: key, alerts: groups[key], told: map[*alert]bool{}}
		slices.SortStableFunc(g.alerts, func(a, b *alert) int { return a.seen.Compare(b.seen) })
		steps = append(steps, g.steps(end)...)
	}
	return steps
}

// missingFor is a little more than the time for which an alert must be missing before
// whoever asks takes it for over.
const missingFor = 31 * time.Second

// asks are the times at which an answer about silenced alerts differs from the one before.
func (m *Alertmanager) asks() []Step {
	var steps []Step
	for _, a := range m.alerts {
		for i := range m.silences {
			s := &m.silences[i]
			if !a.has(s.matchers) || !s.until.After(a.seen) || !a.end.IsZero() && !s.from.Before(a.end) {
				continue
			}
			times := []time.Time{a.seen}
			if !a.end.IsZero() {
				times = append(times, a.end, a.end.Add(missingFor))
			}
			for _, at := range times {
				steps = append(steps, Step{At: at, Line: a.line, Asked: true})
			}
		}
	}
	return steps
}

func (m *Alertmanager) groupKey(a *alert) string {
	var by []string
	for _, name := range m.groupBy {
		if a.labels[name] != "" {
			by = append(by, fmt.Sprintf("%s=%q", name, a.labels[name]))
		}
	}
	return "{}:{" + strings.Join(by, ", ") + "}"
}

// group is one aggregation group.
type group struct {
	manager *Alertmanager
	key     string
	alerts  []*alert // by the time at which it got them
	told    map[*alert]bool

	sent time.Time // the latest notification; zero: none, or the group was forgotten
}

func (g *group) steps(end time.Time) []Step {
	var steps []Step
	var at time.Time
	for next := 0; ; {
		// A group begins with an alert, and is looked at until all of its alerts have ended.
		for next < len(g.alerts) && !g.alerts[next].seen.After(at) {
			next++
		}
		if !g.living(at) {
			if next == len(g.alerts) {
				return steps
			}
			at = g.alerts[next].seen.Add(g.manager.groupWait)
			g.sent = time.Time{}
		}
		if at.After(end) {
			return steps
		}
		if s, ok := g.flush(at); ok {
			steps = append(steps, s)
		}
		at = at.Add(g.manager.groupInterval)
	}
}

// living: something fires, or ended and was not told.
func (g *group) living(at time.Time) bool {
	return slices.ContainsFunc(g.alerts, func(a *alert) bool {
		return !a.seen.After(at) && (a.firing(at) || g.told[a])
	})
}

// flush notifies if there is anything to say.
func (g *group) flush(at time.Time) (Step, bool) {
	var all, over []*alert
	post := &Post{Path: "/webhook/alertmanager"}
	for _, a := range g.alerts {
		switch {
		case len(g.manager.silenced(a, at)) > 0:
		case a.firing(at):
			if !g.told[a] {
				post.Fresh = append(post.Fresh, a.String())
				g.told[a] = true
			}
			all = append(all, a)
		case g.told[a]:
			post.Over = append(post.Over, a.String())
			over = append(over, a)
			delete(g.told, a)
		}
	}
	all = append(all, over...)
	if len(all) == 0 || len(post.Fresh)+len(post.Over) == 0 && at.Sub(g.sent) < g.manager.repeatInterval {
		return Step{}, false
	}
	g.sent = at
	post.Body = g.body(all, at)
	return Step{At: at, Line: all[0].line, Post: post}, true
}

// Notification is the body of Alertmanager's webhook.
type Notification struct {
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
	Status            string            `json:"status"`
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []Alert           `json:"alerts"`
}

// Alert is one of its alerts; EndsAt is zero while it fires.
type Alert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

func (g *group) body(alerts []*alert, at time.Time) []byte {
	n := Notification{
		Version: "4", GroupKey: g.key, Status: "resolved", Receiver: "headwater", ExternalURL: ExternalURL,
		GroupLabels: map[string]string{}, CommonLabels: map[string]string{}, CommonAnnotations: map[string]string{},
	}
	for _, a := range alerts {
		w := Alert{
			Status: "firing", Labels: a.labels, Annotations: a.annotations, StartsAt: a.start,
			GeneratorURL: "http://prometheus.example.org/graph", Fingerprint: a.fingerprint(),
		}
		if a.firing(at) {
			n.Status = "firing"
		} else {
			w.Status, w.EndsAt = "resolved", a.end
		}
		n.Alerts = append(n.Alerts, w)
	}
	for _, name := range g.manager.groupBy {
		if v := alerts[0].labels[name]; v != "" {
			n.GroupLabels[name] = v
		}
	}
	return mustJSON(n)
}

// Answer is what its API v2 says at a time, of /status, /alerts and /silences; nil of anything else.
func (m *Alertmanager) Answer(path string, at time.Time) []byte {
	switch strings.TrimPrefix(path, "/api/v2") {
	case "/status":
		return mustJSON(map[string]any{"uptime": time.Unix(0, 0).UTC()})
	case "/alerts":
		return mustJSON(m.held(at))
	case "/silences":
		return mustJSON(m.kept(at))
	}
	return nil
}

func (m *Alertmanager) held(at time.Time) []any {
	all := []any{}
	for _, a := range m.alerts {
		if !a.firing(at) {
			continue
		}
		ids := m.silenced(a, at)
		state := "active"
		if len(ids) > 0 {
			state = "suppressed"
		}
		all = append(all, map[string]any{
			"labels": a.labels, "annotations": a.annotations, "fingerprint": a.fingerprint(), "startsAt": a.start,
			"endsAt": at.Add(4 * time.Minute), "updatedAt": at, "receivers": []any{map[string]string{"name": "headwater"}},
			"status": map[string]any{"state": state, "silencedBy": append([]string{}, ids...), "inhibitedBy": []string{}, "mutedBy": []string{}},
		})
	}
	return all
}

func (m *Alertmanager) kept(at time.Time) []any {
	all := []any{}
	for i := range m.silences {
		s := &m.silences[i]
		state := "expired"
		if s.active(at) {
			state = "active"
		}
		var matchers []any
		for _, name := range slices.Sorted(maps.Keys(s.matchers)) {
			matchers = append(matchers, map[string]any{"name": name, "value": s.matchers[name], "isRegex": false, "isEqual": true})
		}
		all = append(all, map[string]any{
			"id": silenceID(i), "status": map[string]string{"state": state}, "matchers": matchers, "startsAt": s.from, "endsAt": s.until,
			"updatedAt": s.from, "createdBy": s.by, "comment": s.comment,
		})
	}
	return all
}

func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, numbers and times alone
	}
	return text
}

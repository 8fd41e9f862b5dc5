package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// storySender plays a story into the server's own endpoints, over HTTP, as an
// Alertmanager, a prober and a deployment pipeline would.
type storySender struct {
	story *story
	clock *storyClock
	base  string // the server's address
	tell  func(elapsed time.Duration, text string)
	// flood is told of each notification that has alerts which were not sent before.
	flood func(elapsed time.Duration, fresh []string, firing int)

	told      int             // narration told so far
	requests  int             // sent so far
	instances map[string]bool // alerts sent so far, each once
	results   int             // health results sent so far
	sent      []string        // the group's state as last sent, to see whether it changed
	sentAt    time.Duration
}

// The settings of the Alertmanager that is played, as the README recommends them.
const (
	groupInterval  = 5 * time.Second
	repeatInterval = 5 * time.Minute
)

// play sends what the story holds, each thing at its time. It returns early when
// ctx ends or the server refuses something.
func (s *storySender) play(ctx context.Context) error {
	s.instances = make(map[string]bool)
	last := s.story.end() + 2*groupInterval
	changes := s.story.Changes
	for elapsed := time.Duration(0); elapsed <= last; elapsed += groupInterval {
		if !s.wait(ctx, elapsed) {
			return nil
		}
		s.narrate(elapsed)
		for len(changes) > 0 && time.Duration(changes[0].At) <= elapsed {
			if err := s.sendChange(ctx, changes[0]); err != nil {
				return err
			}
			changes = changes[1:]
		}
		if elapsed%checkEvery == 0 {
			if err := s.sendHealth(ctx, elapsed); err != nil {
				return err
			}
		}
		if err := s.sendGroup(ctx, elapsed); err != nil {
			return err
		}
	}
	return nil
}

func (s *storySender) wait(ctx context.Context, elapsed time.Duration) bool {
	t := time.NewTimer(s.clock.until(elapsed, time.Now()))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *storySender) narrate(elapsed time.Duration) {
	for s.told < len(s.story.Narration) && time.Duration(s.story.Narration[s.told].At) <= elapsed {
		s.tell(time.Duration(s.story.Narration[s.told].At), s.story.Narration[s.told].Text)
		s.told++
	}
}

// The bodies, as their senders write them.
type (
	webhookBody struct {
		Version           string            `json:"version"`
		GroupKey          string            `json:"groupKey"`
		TruncatedAlerts   int               `json:"truncatedAlerts"`
		Status            string            `json:"status"`
		Receiver          string            `json:"receiver"`
		GroupLabels       map[string]string `json:"groupLabels"`
		CommonLabels      map[string]string `json:"commonLabels"`
		CommonAnnotations map[string]string `json:"commonAnnotations"`
		ExternalURL       string            `json:"externalURL"`
		Alerts            []webhookAlert    `json:"alerts"`
	}
	webhookAlert struct {
		Status       string            `json:"status"`
		Labels       map[string]string `json:"labels"`
		Annotations  map[string]string `json:"annotations"`
		StartsAt     time.Time         `json:"startsAt"`
		EndsAt       time.Time         `json:"endsAt"`
		GeneratorURL string            `json:"generatorURL"`
		Fingerprint  string            `json:"fingerprint"`
	}
	healthBody struct {
		Service   string `json:"service"`
		Check     string `json:"check"`
		Status    string `json:"status"`
		LatencyMS int    `json:"latency_ms"`
		Message   string `json:"message,omitempty"`
	}
	changeBody struct {
		Service string    `json:"service"`
		Kind    string    `json:"kind"`
		Summary string    `json:"summary"`
		At      time.Time `json:"at"`
		Link    string    `json:"link,omitempty"`
	}
)

// sendGroup sends the whole group when anything in it has changed, firing and
// resolved mixed, and again when nothing has for a while: so does Alertmanager.
func (s *storySender) sendGroup(ctx context.Context, elapsed time.Duration) error {
	body := webhookBody{
		Version: "4", GroupKey: `{}/{}:{cluster="` + s.story.Common["cluster"] + `"}`, Status: "resolved", Receiver: "headwater",
		GroupLabels: map[string]string{"cluster": s.story.Common["cluster"]}, CommonLabels: s.story.Common,
		CommonAnnotations: map[string]string{}, ExternalURL: "http://alertmanager.robot-shop.example",
	}
	var state []string
	for i := range s.story.Alerts {
		a := &s.story.Alerts[i]
		switch {
		case time.Duration(a.At) > elapsed:
			continue
		case time.Duration(a.Until) <= s.sentAt: // its end has been told
			continue
		}
		w := s.alert(a, elapsed)
		body.Alerts = append(body.Alerts, w)
		state = append(state, w.Fingerprint+w.Status)
		if w.Status == "firing" {
			body.Status = "firing"
		}
	}
	if len(state) == 0 || slices.Equal(state, s.sent) && elapsed-s.sentAt < repeatInterval {
		return nil
	}
	if err := s.post(ctx, "/webhook/alertmanager", body); err != nil {
		return err
	}
	s.count(elapsed, body.Alerts)
	s.sent, s.sentAt = state, elapsed
	return nil
}

func (s *storySender) count(elapsed time.Duration, alerts []webhookAlert) {
	var fresh []string
	firing := 0
	for _, a := range alerts {
		if instance := a.Fingerprint + a.StartsAt.String(); !s.instances[instance] {
			s.instances[instance] = true
			fresh = append(fresh, subject(a.Labels)+" "+a.Labels["alertname"])
		}
		if a.Status == "firing" {
			firing++
		}
	}
	if len(fresh) > 0 {
		s.flood(elapsed, fresh, firing)
	}
}

// subject is what an alert of the story is about, as its labels say.
func subject(labels map[string]string) string {
	to := cmp.Or(labels["destination_service_name"], labels["destination_workload"], labels["service"])
	if from := labels["source_workload"]; from != "" {
		return from + " → " + to
	}
	return to
}

func (s *storySender) alert(a *storyAlert, elapsed time.Duration) webhookAlert {
	w := webhookAlert{
		Status: "firing", Labels: a.Labels, Annotations: map[string]string{"summary": a.Summary},
		StartsAt:     s.clock.zero.Add(time.Duration(a.At)).UTC(),
		GeneratorURL: "http://prometheus.robot-shop.example/graph", Fingerprint: a.fingerprint(),
	}
	if time.Duration(a.Until) <= elapsed {
		w.Status, w.EndsAt = "resolved", s.clock.zero.Add(time.Duration(a.Until)).UTC()
	}
	return w
}

func (s *storySender) sendHealth(ctx context.Context, elapsed time.Duration) error {
	var results []healthBody
	for _, h := range s.story.Health {
		if time.Duration(h.From) <= elapsed && elapsed < time.Duration(h.Until) {
			results = append(results, healthBody{h.Service, h.Check, h.Status, h.LatencyMS, h.Message})
		}
	}
	if len(results) == 0 {
		return nil
	}
	s.results += len(results)
	return s.post(ctx, "/webhook/health", results)
}

func (s *storySender) sendChange(ctx context.Context, c storyChange) error {
	ref := topology.ParseRef(c.Service)
	return s.post(ctx, "/webhook/change", changeBody{
		Service: ref.String(), Kind: c.Kind, Summary: c.Summary, Link: c.URL,
		At: s.clock.zero.Add(time.Duration(c.At - c.Ago)).UTC(),
	})
}

// post sends a body and tries again while the server asks for it.
func (s *storySender) post(ctx context.Context, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		code, answer, err := s.postOnce(ctx, path, text)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // whoever asked to stop needs no error
		case err == nil && code/100 == 2:
			s.requests++
			return nil
		case err == nil && code/100 != 5, attempt == 20:
			return fmt.Errorf("POST %s: %d %s: %w", path, code, answer, err)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *storySender) postOnce(ctx context.Context, path string, text []byte) (code int, answer string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+path, bytes.NewReader(text))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	return resp.StatusCode, string(bytes.TrimSpace(reply)), err
}

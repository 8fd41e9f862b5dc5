package page

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/alertmanager/notify"
	httpconfig "github.com/prometheus/common/config"

	"github.com/headwater-sre/headwater/correlate"
)

// StatusPage is where those outside are told. It gets every public update of an incident,
// and after the first one how far the incident has come; nothing of any other incident,
// and nothing that people did not write for it.
type StatusPage struct {
	URL  string
	HTTP httpconfig.HTTPClientConfig
	// Name is what those outside read as the incident's title. Default [DefaultStatusName].
	Name string
}

// DefaultStatusName tells nothing of what is inside.
const DefaultStatusName = "Service disruption"

// statusKind is the name of status pages among the integrations. Their receiver is the section.
const (
	statusKind     = "status-page"
	statusReceiver = "status_pages"
)

// PublicUpdate is what a status page gets: JSON, by POST.
type PublicUpdate struct {
	Version int `json:"version"` // 1
	// Key is one incident's, Sequence rises with each update of it, not always by one. What
	// comes twice has the same two.
	Key      string         `json:"key"`
	Sequence uint64         `json:"sequence"`
	Incident PublicIncident `json:"incident"`
}

// PublicIncident has the names and values that Atlassian Statuspage's API gives them, so
// that it can be handed on as the body of its requests.
type PublicIncident struct {
	Name string `json:"name"`
	// Status is investigating, identified, monitoring or resolved.
	Status string `json:"status"`
	// Impact is none, minor, major or critical.
	Impact string `json:"impact_override"`
	// Body is what people wrote; empty when only the status moved.
	Body      string         `json:"body"`
	StartedAt time.Time      `json:"started_at"`
	UpdatedAt time.Time      `json:"updated_at"`
	Metadata  PublicMetadata `json:"metadata"`
}

// PublicMetadata is for programs; Statuspage keeps it and shows it to nobody.
type PublicMetadata struct {
	Headwater struct {
		Incident string `json:"incident"`
	} `json:"headwater"`
}

// NewPublicUpdate is what a page tells those outside. It is pure.
func NewPublicUpdate(p *correlate.Page, name string) *PublicUpdate {
	u := &PublicUpdate{Version: 1, Key: p.DedupKey(), Sequence: p.Seq}
	inc := &p.Incident
	u.Incident = PublicIncident{
		Name: cmp.Or(name, DefaultStatusName), Status: publicStatus(inc), Impact: publicImpact(inc.Sev), Body: p.Reason,
		StartedAt: inc.StartedAt.UTC().Truncate(time.Second), UpdatedAt: p.At.UTC().Truncate(time.Second),
	}
	u.Incident.Metadata.Headwater.Incident = inc.ID
	return u
}

func publicStatus(inc *correlate.Incident) string {
	switch {
	case inc.State != correlate.IncidentOpen || inc.Status >= correlate.StatusResolved:
		return "resolved"
	case !inc.QuietSince.IsZero():
		return "monitoring" // nothing fires any more, and it is not called over yet
	case inc.Status == correlate.StatusIdentified || inc.Status == correlate.StatusMitigating:
		return "identified"
	}
	return "investigating"
}

func publicImpact(s correlate.Sev) string {
	switch s {
	case correlate.Sev1:
		return "critical"
	case correlate.Sev2:
		return "major"
	case correlate.Sev4:
		return "none"
	case correlate.Sev3, correlate.SevUnset:
	}
	return "minor"
}

// statusPage posts to one.
type statusPage struct {
	StatusPage
	client *http.Client
}

func (r *routing) addStatusPages(c *Config) error {
	for i, sp := range c.statusPages {
		client, err := httpconfig.NewClientFromConfig(sp.HTTP, statusKind, c.clientOptions(statusReceiver)...)
		if err != nil {
			return fmt.Errorf("status_pages[%d]: %w", i, err)
		}
		t := target{statusReceiver, statusKind, i}
		r.targets[t] = &integration{target: t, status: &statusPage{sp, client}, notify: notify.NewIntegration(nil, always{}, statusKind, i, statusReceiver)}
		r.outside = append(r.outside, t)
	}
	return nil
}

// post sends what the page says. retry reports whether an error may pass by itself.
func (s *statusPage) post(ctx context.Context, p *correlate.Page) (retry bool, err error) {
	update := NewPublicUpdate(p, s.Name)
	body, err := json.Marshal(update)
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", fmt.Sprintf("%s/%d", update.Key, update.Sequence))
	resp, err := s.client.Do(req)
	if err != nil {
		return true, err
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 512)) // for the error alone
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return true, retryAfter(resp.Header)
	case resp.StatusCode >= 300:
		return resp.StatusCode >= 500, fmt.Errorf("status page says %s: %s", resp.Status, line(string(said)))
	}
	return false, nil
}

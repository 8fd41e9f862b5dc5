package replay

import (
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// The forms in which a recording writes what [ReadScenario] reads. References are
// written with their namespaces in fields of their own: a bare name stands for
// whatever service is called so, and a recording must say which was meant.

type writtenEvent struct {
	At       writtenTime      `json:"at"`
	Type     string           `json:"type"`
	Request  *writtenRequest  `json:"request,omitempty"`
	Alert    *writtenAlert    `json:"alert,omitempty"`
	Health   *writtenHealth   `json:"health,omitempty"`
	Change   *writtenChange   `json:"change,omitempty"`
	Command  *writtenCommand  `json:"command,omitempty"`
	Topology *writtenTopology `json:"topology,omitempty"`
}

type writtenRequest struct {
	ID          uint64 `json:"id"`
	Source      string `json:"source,omitempty"`
	Receiver    string `json:"receiver,omitempty"`
	GroupKey    string `json:"group_key,omitempty"`
	ExternalURL string `json:"external_url,omitempty"`
	Truncated   int    `json:"truncated,omitempty"`
}

// writtenTime keeps the nanoseconds of the stream; zero is left out by omitzero.
type writtenTime struct{ time.Time }

// MarshalJSON writes the time as RFC 3339 in UTC.
func (t writtenTime) MarshalJSON() ([]byte, error) {
	return []byte(`"` + t.UTC().Format(time.RFC3339Nano) + `"`), nil
}

type writtenAlert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	StartsAt     writtenTime       `json:"startsAt"`
	EndsAt       writtenTime       `json:"endsAt,omitzero"`
	Fingerprint  string            `json:"fingerprint"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
	Muted        string            `json:"muted,omitempty"`
}

func writeAlert(a *correlate.Alert) *writtenAlert {
	return &writtenAlert{
		Status: a.Status.String(), Labels: a.Labels, Annotations: a.Annotations, StartsAt: writtenTime{a.StartsAt},
		EndsAt: writtenTime{a.EndsAt}, Fingerprint: a.Fingerprint, GeneratorURL: a.GeneratorURL, Muted: a.Muted,
	}
}

type writtenHealth struct {
	Service          string      `json:"service"`
	Namespace        string      `json:"namespace"`
	Check            string      `json:"check,omitempty"`
	Status           string      `json:"status"`
	LatencyMS        float64     `json:"latency_ms,omitempty"`
	At               writtenTime `json:"at,omitzero"`
	Message          string      `json:"message,omitempty"`
	FailureThreshold int         `json:"failure_threshold,omitempty"`
	SuccessThreshold int         `json:"success_threshold,omitempty"`
	Count            int         `json:"count,omitempty"`
	TTL              string      `json:"ttl,omitempty"`
}

func writeHealth(h *correlate.HealthResult) *writtenHealth {
	ttl := ""
	if h.TTL != 0 {
		ttl = h.TTL.String()
	}
	return &writtenHealth{
		Service: h.Service.Name, Namespace: h.Service.Namespace, Check: h.Check, Status: h.Status.String(),
		LatencyMS: float64(h.Latency) / float64(time.Millisecond), At: writtenTime{h.At}, Message: h.Message, FailureThreshold: h.FailureThreshold,
		SuccessThreshold: h.SuccessThreshold, Count: h.Count, TTL: ttl,
	}
}

type writtenChange struct {
	Service   string      `json:"service"`
	Namespace string      `json:"namespace"`
	Kind      string      `json:"kind"`
	Summary   string      `json:"summary,omitempty"`
	Link      string      `json:"link,omitempty"`
	At        writtenTime `json:"at,omitzero"`
	Source    string      `json:"source"`
}

func writeChange(c *correlate.Change) *writtenChange {
	return &writtenChange{
		Service: c.Service.Name, Namespace: c.Service.Namespace, Kind: c.Kind, Summary: c.Summary,
		Link: c.Link, At: writtenTime{c.At}, Source: c.Source,
	}
}

type writtenCommand struct {
	Kind     string          `json:"kind"`
	Incident string          `json:"incident,omitempty"`
	Actor    string          `json:"actor,omitempty"`
	Text     string          `json:"text,omitempty"`
	Service  *writtenRef     `json:"service,omitempty"`
	Into     string          `json:"into,omitempty"`
	Alerts   []string        `json:"alerts,omitempty"`
	Services []writtenRef    `json:"services,omitempty"`
	Learned  *writtenLearned `json:"learned,omitempty"`
	Window   *writtenWindow  `json:"window,omitempty"`
	Record   *writtenRecord  `json:"record,omitempty"`
}

type writtenRef struct {
	Service   string `json:"service"`
	Namespace string `json:"namespace"`
}

type writtenLearned struct {
	Kind    string `json:"kind"`
	Subject string `json:"subject,omitempty"`
}

func writeCommand(c *correlate.Command) *writtenCommand {
	out := &writtenCommand{Kind: c.Kind.String(), Incident: c.Incident, Actor: c.Actor, Text: c.Text, Into: c.Into, Record: writeRecord(c)}
	if !c.Service.IsZero() {
		out.Service = &writtenRef{c.Service.Name, c.Service.Namespace}
	}
	for _, id := range c.Alerts {
		out.Alerts = append(out.Alerts, id.String())
	}
	out.Services = writeRefs(c.Services)
	out.Window = writeWindow(&c.Window)
	if c.Learned != (correlate.FigureSelection{}) {
		out.Learned = &writtenLearned{Kind: c.Learned.Kind.String(), Subject: c.Learned.Subject}
	}
	return out
}

func writeRefs(refs []topology.Ref) (out []writtenRef) {
	for _, ref := range refs {
		out = append(out, writtenRef{ref.Name, ref.Namespace})
	}
	return out
}

type writtenTopology struct {
	Source       string              `json:"source,omitempty"`
	Version      string              `json:"version,omitempty"`
	Services     []writtenService    `json:"services"`
	Dependencies []writtenDependency `json:"dependencies"`
	Groups       []writtenGroup      `json:"redundancy_groups,omitempty"`
}

type writtenService struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace,omitempty"`
	Kind      string            `json:"kind"`
	Labels    map[string]string `json:"labels,omitempty"`
	Owner     string            `json:"owner,omitempty"`
	Tier      int               `json:"tier,omitempty"`
	Runbook   string            `json:"runbook,omitempty"`
	Links     map[string]string `json:"links,omitempty"`
	RunsOn    []string          `json:"runs_on,omitempty"`
	Aliases   []string          `json:"aliases,omitempty"`
}

type writtenDependency struct {
	From          string `json:"from"`
	FromNamespace string `json:"from_namespace"`
	To            string `json:"to"`
	ToNamespace   string `json:"to_namespace"`
	Mode          string `json:"mode"`
	Group         string `json:"redundancy_group,omitempty"`
}

type writtenGroup struct {
	From          string `json:"from"`
	FromNamespace string `json:"from_namespace"`
	Name          string `json:"name"`
	Need          int    `json:"need"`
}

// writeTopology writes the graph. Which source saw what when is no part of it.
func writeTopology(s *topology.Spec) *writtenTopology {
	out := &writtenTopology{Version: s.Version, Services: []writtenService{}, Dependencies: []writtenDependency{}}
	for i := range s.Services {
		svc := &s.Services[i]
		out.Services = append(out.Services, writtenService{
			Name: svc.Name, Namespace: svc.Namespace, Kind: svc.Kind.String(), Labels: svc.Labels, Owner: svc.Owner,
			Tier: svc.Tier, Runbook: svc.Runbook, Links: svc.Links, RunsOn: svc.RunsOn,
			Aliases: svc.Aliases,
		})
	}
	for _, d := range s.Dependencies {
		out.Dependencies = append(out.Dependencies, writtenDependency{
			From: d.From.Name, FromNamespace: d.From.Namespace, To: d.To.Name, ToNamespace: d.To.Namespace,
			Mode: d.Mode.String(), Group: d.Group,
		})
	}
	for _, g := range s.Groups {
		out.Groups = append(out.Groups, writtenGroup{From: g.From.Name, FromNamespace: g.From.Namespace, Name: g.Name, Need: max(g.Need, 0)})
	}
	return out
}

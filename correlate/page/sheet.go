package page

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/headwater-sre/headwater/correlate"
)

// Bounds of what a sheet lists. The rest is counted.
const (
	maxReasons  = 2 // "the two best reasons"
	maxServices = 8
	maxNext     = 5
	maxChanges  = 3
	maxGaps     = 3
	maxRunbooks = 3
	maxEarlier  = 2
	maxLinks    = 6
	maxRoles    = 4
	maxQuoted   = 20  // member alerts in the machine-readable form
	maxLine     = 300 // runes of a text that came from outside
	// maxSheetBytes bounds the machine-readable form: PagerDuty takes 512 kB in all, SNS 256 kB.
	maxSheetBytes = 16 << 10
	// runnerUpAt is the probability from which a second candidate is worth a line.
	runnerUpAt = 0.02
)

// Sheet is what a page says, ready to be set: every string is one line, bounded,
// and in the words that people read. Templates get it from the function
// `headwater`, webhooks as JSON in the annotation of that name.
type Sheet struct {
	Kind     string `json:"kind"`          // "open", "update", "resolved", "ring", "escalate" or "notice"
	Title    string `json:"title"`         // the headline
	Short    string `json:"short"`         // the headline in at most 130 runes
	Incident string `json:"incident"`      // INC-41
	URL      string `json:"url"`           // of the incident's page
	Severity string `json:"severity"`      // of the alerts
	Sev      string `json:"sev,omitempty"` // SEV1 to SEV4
	// Reason is why this page was sent: for an update what changed, for a resolve what ended it.
	Reason      string    `json:"reason,omitempty"`
	At          time.Time `json:"at"`
	StartedAt   time.Time `json:"started_at"`
	EndedAt     time.Time `json:"ended_at,omitzero"`
	Since       string    `json:"since"` // "03:00:12 UTC (4 min)"
	Environment string    `json:"environment,omitempty"`
	Owner       string    `json:"owner,omitempty"`

	// Status is how far people have come, AcknowledgedBy who has it, Roles who does what in it ("ada: technical-lead").
	Status         string   `json:"status,omitempty"`
	AcknowledgedBy string   `json:"acknowledged_by,omitempty"`
	Roles          []string `json:"roles,omitempty"`

	// Origin is the best candidate, empty when there is none; OriginKnown when the title commits itself to it.
	Origin      string   `json:"origin,omitempty"`
	OriginKnown bool     `json:"origin_known"`
	Probability string   `json:"probability,omitempty"`
	Silent      bool     `json:"silent,omitempty"` // the origin has no alert of its own
	Why         []Weight `json:"why,omitempty"`
	RunnerUp    string   `json:"runner_up,omitempty"`

	Alerts    int       `json:"alerts"`
	Firing    int       `json:"firing"`
	Silenced  int       `json:"silenced,omitempty"`  // of those firing, the ones that are silenced or inhibited
	Truncated int       `json:"truncated,omitempty"` // alerts that senders left out
	Hit       []Service `json:"hit,omitempty"`       // worst first
	HitMore   int       `json:"hit_more,omitempty"`
	Next      []string  `json:"next,omitempty"` // services that will probably be hit next
	NextMore  int       `json:"next_more,omitempty"`
	Changes   []Change  `json:"changes,omitempty"`
	Gaps      []string  `json:"gaps,omitempty"`
	// SeenBefore says how often there was one like it, how that ended and what is still to be done;
	// Earlier are the last of them.
	SeenBefore []string  `json:"seen_before,omitempty"`
	Earlier    []Earlier `json:"earlier,omitempty"`
	Runbooks   []string  `json:"runbooks,omitempty"`
	Links      []Link    `json:"links,omitempty"` // the incident's own: dashboards, the bridge …
	Quoted     []Quote   `json:"quoted_alerts,omitempty"`
	// Note is the only alert's own summary, when the incident is one alert.
	Note string `json:"note,omitempty"`
	// Said is the body of a page that no incident stands behind, see [Bulletin].
	Said []Section `json:"said,omitempty"`
}

// Weight is one reason for the origin and its weight of evidence in nats.
type Weight struct {
	Text string `json:"text"`
	// Term is the part of the score that it tells of, as in docs/formulas.md: "way", "order" …
	Term   string  `json:"term"`
	Weight float64 `json:"weight"`
}

// Service is one service that was hit.
type Service struct {
	Name     string `json:"name"`
	Severity string `json:"severity"`
	Alerts   int    `json:"alerts"`
	Firing   int    `json:"firing"`
}

// Change is something done to a service shortly before the start.
type Change struct {
	Text string `json:"text"`
	Link string `json:"link,omitempty"`
}

// Link leads to something about the incident.
type Link struct {
	Title string `json:"title"`
	URL   string `json:"url"`
}

// Earlier is an incident like this one, which is over.
type Earlier struct {
	Incident string    `json:"incident"`
	URL      string    `json:"url,omitempty"` // of its page
	EndedAt  time.Time `json:"ended_at"`
	// EndedBy is what people said ended it.
	EndedBy string `json:"ended_by,omitempty"`
}

// Quote is one member alert.
type Quote struct {
	Name     string    `json:"name"`
	Service  string    `json:"service"`
	Severity string    `json:"severity"`
	Status   string    `json:"status"`
	StartsAt time.Time `json:"starts_at"`
	Summary  string    `json:"summary,omitempty"`
	// Silenced: its sender silences or inhibits it, so it is no reason to page.
	Silenced bool              `json:"silenced,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
}

// NewSheet says in words what p says in data. externalURL is Headwater's own
// address without a trailing slash; empty leaves out links to it. It is pure.
func NewSheet(p *correlate.Page, externalURL string) *Sheet {
	inc := named(p)
	s := &Sheet{
		Kind: p.Kind.String(), Title: inc.Headline(), Short: inc.HeadlineWithin(130),
		Incident: inc.ID, Severity: inc.Severity.String(), Reason: line(p.Reason), At: p.At.UTC(),
		Silenced:  inc.Muted,
		StartedAt: inc.StartedAt.UTC(), Environment: line(inc.Environment),
		Alerts: inc.Alerts, Firing: inc.Firing, Truncated: inc.Truncated,
	}
	if externalURL != "" {
		s.URL = externalURL + "/incidents/" + inc.ID
	}
	if p.Kind == correlate.PageResolve {
		s.EndedAt = endOf(p).UTC()
	}
	s.Since = since(inc.StartedAt, s.end())
	s.Runbooks = lines(inc.Runbooks, maxRunbooks)
	s.Gaps = lines(inc.Gaps, maxGaps)
	s.addPeople(inc)
	s.addOrigin(inc)
	s.addImpact(inc)
	s.addChanges(inc)
	s.addMemory(inc, externalURL)
	s.addAlerts(p, inc)
	return s
}

// named returns the incident with the name of its only alert in Title, which the
// headline wants and which only the quoted alert may tell.
func named(p *correlate.Page) *correlate.Incident {
	inc := p.Incident
	if inc.Title == "" && inc.Alerts == 1 && len(p.Alerts) == 1 {
		inc.Title = p.Alerts[0].Labels["alertname"]
	}
	if p.Kind == correlate.PageResolve && inc.State == correlate.IncidentOpen {
		inc.State = correlate.IncidentResolved
	}
	return &inc
}

// endOf is when a resolved incident ended: when its last alert did, which is some
// time before it was called resolved.
func endOf(p *correlate.Page) time.Time {
	for _, at := range []time.Time{p.Incident.QuietSince, p.Incident.ResolvedAt} {
		if !at.IsZero() {
			return at
		}
	}
	return p.At
}

func (s *Sheet) end() time.Time {
	if s.EndedAt.IsZero() {
		return s.At
	}
	return s.EndedAt
}

// addPeople adds what people said and did.
func (s *Sheet) addPeople(inc *correlate.Incident) {
	if inc.Sev != correlate.SevUnset {
		s.Sev = inc.Sev.String()
	}
	s.Status = inc.Status.String()
	if inc.Ack != nil {
		s.AcknowledgedBy = line(inc.Ack.By)
	}
	for _, r := range inc.Roles[:min(len(inc.Roles), maxRoles)] {
		s.Roles = append(s.Roles, line(r.Who+": "+r.Name))
	}
	for _, l := range inc.Links[:min(len(inc.Links), maxLinks)] {
		s.Links = append(s.Links, Link{line(l.Title), l.URL})
	}
}

// Confined reports whether one service is in trouble of its own. Such a page says
// nothing of origins; it names the alerts.
func (s *Sheet) Confined() bool {
	return len(s.Hit) == 1 && s.HitMore == 0 && s.Hit[0].Name == s.Origin
}

// Resolved reports whether the incident is over.
func (s *Sheet) Resolved() bool { return s.Kind == correlate.PageResolve.String() }

// Update reports whether the page edits an earlier one.
func (s *Sheet) Update() bool { return s.Kind == correlate.PageUpdate.String() }

func (s *Sheet) addOrigin(inc *correlate.Incident) {
	o := inc.Origin()
	if o == nil {
		return
	}
	name := inc.Names()
	s.Origin, s.Owner = name(o.Service), line(o.Owner)
	s.OriginKnown, s.Silent = inc.OriginKnown(), o.Silent
	s.Probability = correlate.Percent(o.Probability)
	for _, r := range o.Reasons {
		if len(s.Why) < maxReasons && r.Weight > 0 {
			s.Why = append(s.Why, Weight{line(r.Text), r.Term.String(), r.Weight})
		}
	}
	if len(inc.Origins) > 1 && inc.Origins[1].Probability >= runnerUpAt {
		s.RunnerUp = runnerUp(&inc.Origins[1], name(inc.Origins[1].Service))
	}
}

func runnerUp(o *correlate.Origin, name string) string {
	text := fmt.Sprintf("%s (%s)", name, correlate.Percent(o.Probability))
	for _, r := range o.Reasons {
		if r.Weight > 0 {
			return text + ": " + line(r.Text)
		}
	}
	return text
}

func (s *Sheet) addImpact(inc *correlate.Incident) {
	name := inc.Names()
	hit := slices.DeleteFunc(slices.Clone(inc.Services), func(i correlate.ServiceImpact) bool { return i.Alerts == 0 })
	slices.SortStableFunc(hit, func(a, b correlate.ServiceImpact) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.Firing, a.Firing), cmp.Compare(b.Alerts, a.Alerts))
	})
	for _, i := range hit[:min(len(hit), maxServices)] {
		s.Hit = append(s.Hit, Service{name(i.Service), i.Severity.String(), i.Alerts, i.Firing})
	}
	s.HitMore = len(hit) - len(s.Hit)
	for _, r := range inc.NextHit[:min(len(inc.NextHit), maxNext)] {
		s.Next = append(s.Next, name(r))
	}
	s.NextMore = len(inc.NextHit) - len(s.Next)
}

func (s *Sheet) addChanges(inc *correlate.Incident) {
	name := inc.Names()
	for _, c := range inc.Changes[:min(len(inc.Changes), maxChanges)] {
		text := fmt.Sprintf("%s: %s %s", name(c.Service), line(cmp.Or(c.Kind, "change")), relative(inc.StartedAt.Sub(c.At)))
		if c.Summary != "" {
			text += " (" + line(c.Summary) + ")"
		}
		s.Changes = append(s.Changes, Change{text, line(c.Link)})
	}
}

func (s *Sheet) addMemory(inc *correlate.Incident, externalURL string) {
	before := inc.SeenBefore.Lines(inc.OpenedAt)
	s.SeenBefore = lines(before, len(before))
	for _, r := range inc.SeenBefore.Latest[:min(len(inc.SeenBefore.Latest), maxEarlier)] {
		e := Earlier{Incident: r.Incident, EndedAt: r.EndedAt.UTC(), EndedBy: line(r.EndedBy)}
		if externalURL != "" {
			e.URL = externalURL + "/incidents/" + r.Incident
		}
		s.Earlier = append(s.Earlier, e)
	}
}

func (s *Sheet) addAlerts(p *correlate.Page, inc *correlate.Incident) {
	name := inc.Names()
	for i := range p.Alerts[:min(len(p.Alerts), maxQuoted)] {
		a := &p.Alerts[i]
		status := correlate.Firing
		if !a.Active() {
			status = correlate.Resolved
		}
		s.Quoted = append(s.Quoted, Quote{
			Name: line(a.Labels["alertname"]), Service: name(a.Service), Severity: a.Severity.String(), Status: status.String(),
			StartsAt: a.StartsAt.UTC(), Summary: summaryOf(a), Silenced: a.Muted != "", Labels: a.Labels,
		})
	}
	if inc.Alerts == 1 && len(s.Quoted) == 1 && s.Confined() {
		s.Note = s.Quoted[0].Summary
	}
}

// summaryOf is an alert in its author's words.
func summaryOf(a *correlate.AlertState) string {
	for _, key := range []string{"summary", "message", "description"} {
		if text := line(a.Annotations[key]); text != "" {
			return text
		}
	}
	return ""
}

// JSON is the machine-readable form in at most maxSheetBytes: first the labels of
// the quoted alerts are left out, then the last of the alerts.
func (s *Sheet) JSON() string {
	cut := *s
	cut.Quoted = slices.Clone(s.Quoted)
	for {
		b, err := json.Marshal(&cut)
		if err != nil {
			return "" // no field of it can fail to marshal
		}
		if len(b) <= maxSheetBytes || len(cut.Quoted) == 0 {
			return string(b)
		}
		if cut.Quoted[0].Labels != nil {
			for i := range cut.Quoted {
				cut.Quoted[i].Labels = nil
			}
			continue
		}
		cut.Quoted = cut.Quoted[:len(cut.Quoted)-1]
	}
}

// parseSheet reads what [Sheet.JSON] wrote.
func parseSheet(text string) (*Sheet, error) {
	s := new(Sheet)
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return nil, fmt.Errorf("annotation %s: %w", sheetAnnotation, err)
	}
	return s, nil
}

// line puts a text from outside on one line of bounded length.
func line(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }), " ")
	if r := []rune(s); len(r) > maxLine {
		return string(r[:maxLine-1]) + "…"
	}
	return s
}

func lines(texts []string, most int) []string {
	var out []string
	for _, t := range texts[:min(len(texts), most)] {
		out = append(out, line(t))
	}
	return out
}

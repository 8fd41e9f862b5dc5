package correlate

import (
	"fmt"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// Input is one entry of the ordered stream.
type Input struct {
	// Pos is the entry's position in the stream: positive, strictly increasing.
	// An input at or below the position already applied changes nothing.
	Pos uint64
	// At is when the entry became durable, by the stream's clock. The engine never
	// lets its own time run backwards: an earlier At counts as the time already reached.
	At time.Time
	// Signal is what was seen. Nil counts as [Tick].
	Signal Signal
}

// Signal is one thing seen from outside. The set is closed: [*AlertBatch],
// [*HealthBatch], [*Change], [*Command], [*TopologyReport], [*Import] and [Tick].
type Signal interface{ signal() }

func (*AlertBatch) signal()     {}
func (*HealthBatch) signal()    {}
func (*Change) signal()         {}
func (*Command) signal()        {}
func (*TopologyReport) signal() {}
func (Tick) signal()            {}

// Tick carries nothing but its time: it lets deadlines pass in the stream's order.
type Tick struct{}

// AlertStatus is whether an alert is active, as its sender sees it.
type AlertStatus uint8

// The states of an alert.
const (
	Firing   AlertStatus = iota // active
	Resolved                    // ended
)

// String returns Alertmanager's word for s.
func (s AlertStatus) String() string {
	if s == Resolved {
		return "resolved"
	}
	return "firing"
}

// Alert is what Prometheus calls an alert, as it stood in one notification.
type Alert struct {
	// Fingerprint identifies the label set: 16 hexadecimal digits in Alertmanager's
	// own scheme. Never empty once decoded.
	Fingerprint string
	Labels      map[string]string
	Annotations map[string]string
	Status      AlertStatus
	// StartsAt is when the alert began to fire: after the rule's `for`, so later than the trouble itself.
	StartsAt time.Time
	// EndsAt is when it ended; zero while that is unknown.
	EndsAt time.Time
	// GeneratorURL leads to the expression that fired. May be empty.
	GeneratorURL string
	// Muted says in words why its Alertmanager tells nobody of it: silenced, inhibited or
	// out of hours, and by what. Empty: it does tell. See [AlertBatch.knowsMutes].
	Muted string
}

// ID names the alert instance: one label set, one start.
func (a *Alert) ID() AlertID {
	return AlertID{Fingerprint: a.Fingerprint, StartsAt: a.StartsAt.UnixNano()}
}

// AlertID names one alert instance. A label set that fires again later, with a
// new start, is another instance.
type AlertID struct {
	Fingerprint string
	StartsAt    int64 // Unix time, ns
}

// String renders the id as <fingerprint>@<start, RFC 3339>.
func (id AlertID) String() string {
	return id.Fingerprint + "@" + time.Unix(0, id.StartsAt).UTC().Format(time.RFC3339Nano)
}

// ParseAlertID is the inverse of [AlertID.String].
func ParseAlertID(s string) (AlertID, error) {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] != '@' {
			continue
		}
		t, err := time.Parse(time.RFC3339Nano, s[i+1:])
		if err != nil {
			return AlertID{}, fmt.Errorf("alert id %q: start: %w", s, err)
		}
		return AlertID{Fingerprint: s[:i], StartsAt: t.UnixNano()}, nil
	}
	return AlertID{}, fmt.Errorf("alert id %q: want <fingerprint>@<start>", s)
}

func (id AlertID) compare(other AlertID) int {
	switch {
	case id.StartsAt != other.StartsAt:
		if id.StartsAt < other.StartsAt {
			return -1
		}
		return 1
	case id.Fingerprint < other.Fingerprint:
		return -1
	case id.Fingerprint > other.Fingerprint:
		return 1
	}
	return 0
}

// Values of [AlertBatch.Source] that mean something to the engine.
const (
	// SourcePrometheus: the alerts came by Alertmanager's own API, /api/v2/alerts.
	SourcePrometheus = "prometheus"
	// SourceAlertmanager: they came by Alertmanager's webhook.
	SourceAlertmanager = "alertmanager"
	// SourceReconciliation: they were read from an Alertmanager, to make up for what no webhook told.
	SourceReconciliation = "reconciliation"
)

// AlertBatch is the alerts of one request.
type AlertBatch struct {
	// Source is who sent it: "alertmanager" (webhook), "prometheus" (/api/v2/alerts), …
	Source string
	// Receiver and GroupKey are those of Alertmanager's webhook; empty elsewhere.
	Receiver string
	GroupKey string
	// ExternalURL is the sender's own address for people; may be empty.
	ExternalURL string
	// Truncated counts the alerts that the sender left out of the request.
	Truncated int
	Alerts    []Alert
}

// knowsMutes: the sender is an Alertmanager, whose word on what is muted counts. Its
// webhook tells of no firing alert that is; Prometheus knows nothing of it.
func (b *AlertBatch) knowsMutes() bool {
	return b.Source == SourceAlertmanager || b.Source == SourceReconciliation
}

// HealthStatus is the outcome of one health check.
type HealthStatus uint8

// The outcomes of a health check.
const (
	HealthUnknown  HealthStatus = iota // could not be determined
	HealthPassing                      // answered well
	HealthDegraded                     // answered, but not well (for example a non-2xx status)
	HealthFailing                      // did not answer, or said that it is down
)

var healthNames = [...]string{"unknown", "passing", "degraded", "failing"}

// String returns the lower-case name that bodies and the API use.
func (s HealthStatus) String() string { return nameOf(healthNames[:], int(s)) }

// ParseHealthStatus accepts the four names of [HealthStatus.String] and the words
// "healthy" and "unhealthy" for passing and failing.
func ParseHealthStatus(s string) (HealthStatus, error) {
	switch s {
	case "healthy", "up", "ok":
		return HealthPassing, nil
	case "unhealthy", "down":
		return HealthFailing, nil
	}
	for i, n := range healthNames {
		if n == s {
			return HealthStatus(i), nil
		}
	}
	return HealthUnknown, fmt.Errorf("health status %q: want passing, degraded, failing or unknown", s)
}

// HealthResult is one outcome of one check of one service.
type HealthResult struct {
	Service topology.Ref
	// Check names the check within the service: "http", "readiness", … Empty counts as "health".
	Check  string
	Status HealthStatus
	// Latency is the response time; zero when unknown.
	Latency time.Duration
	// At is when the check ran; zero means the time of the input.
	At time.Time
	// Message is what the check said; may be empty.
	Message string
	// FailureThreshold is how many failing or degraded results in a row make an
	// alert; 0 means [Config.FailureThreshold].
	FailureThreshold int
	// SuccessThreshold is how many passing results in a row end it; 0 means
	// [Config.SuccessThreshold].
	SuccessThreshold int
	// Count is how many results in a row it stands for, all with this outcome and this
	// one the latest: a prober does not send each one while nothing changes. 0 counts as 1.
	Count int
	// TTL is how long the result is remembered when no other follows; 0 means [Config.HealthTTL].
	TTL time.Duration
}

// HealthBatch is the health results of one request.
type HealthBatch struct {
	Source  string
	Results []HealthResult
}

// Change is something done to a service on purpose.
type Change struct {
	Service topology.Ref
	// Kind is deploy, config, scale or any other short word.
	Kind    string
	Summary string
	Link    string
	// At is when it happened; zero means the time of the input.
	At time.Time
	// Source is who reported it.
	Source string
}

// CommandKind is what an operator wants done.
type CommandKind uint8

// The operator commands.
const (
	CommandUnknown        CommandKind = iota
	CommandAcknowledge                // somebody has it: sticky until the incident ends
	CommandResolve                    // ended by decision, whatever its alerts say
	CommandAddNote                    // a line for the timeline
	CommandSetOrigin                  // the failure began at Service; without one, the word is withdrawn
	CommandMerge                      // it and Into are one failure
	CommandSplit                      // Alerts, and all alerts of Services, are another failure
	CommandResetLearned               // forget the learned figures of Learned; about no incident
	CommandSetSeverity                // it is as bad as Sev says; with SevUnset, the word is withdrawn
	CommandSetStatus                  // people have come as far as Status
	CommandAssign                     // Who takes Role; with nobody named, Role is free
	CommandAddUpdate                  // Text tells how it stands, to those outside if Public
	CommandLink                       // Link is set; without an address, the one of its title is removed
	CommandDetach                     // Alerts, and all alerts of Services, are about something else that is worth no page
	CommandAddActionItem              // Item is to be done; it comes from Incident, or from none
	CommandEditActionItem             // of the action item Item.ID, Item.Fields are as Item says; about no incident
	CommandAddMaintenance             // Window mutes pages, because of Text; about no incident
	CommandEndMaintenance             // the window Window.ID is over; about no incident
)

var commandNames = [...]string{
	"unknown", "acknowledge", "resolve", "add note", "set origin", "merge", "split", "reset learned",
	"set severity", "set status", "assign", "add update", "link", "detach", "add action item", "edit action item", "add maintenance window", "end maintenance window",
}

// String returns the command in words.
func (k CommandKind) String() string { return nameOf(commandNames[:], int(k)) }

// Command is an operator's wish, nearly always about one incident. It goes through
// the stream like everything else, so it has its place in the one order.
type Command struct {
	Kind     CommandKind
	Incident string // id, such as INC-41
	Actor    string // who asked, as authenticated; may be empty
	Text     string // the note, or the reason
	Source   string // what the actor gave it with, see [TimelineEntry.Source]
	// IfRevision refuses the command unless the incident still has this revision; 0: whatever it has.
	IfRevision uint64

	Service  topology.Ref    // of CommandSetOrigin
	Into     string          // of CommandMerge: the other incident's id
	Alerts   []AlertID       // of CommandSplit and CommandDetach
	Services []topology.Ref  // of CommandSplit and CommandDetach
	Learned  FigureSelection // of CommandResetLearned
	Sev      Sev             // of CommandSetSeverity
	Status   Status          // of CommandSetStatus
	Role     string          // of CommandAssign, see [ParseRole]
	Who      string          // of CommandAssign
	Public   bool            // of CommandAddUpdate
	Link     LinkTarget      // of CommandLink
	Item     ActionItemEdit  // of CommandAddActionItem and CommandEditActionItem
	Window   MaintenanceEdit // of CommandAddMaintenance and CommandEndMaintenance
}

// LinkTarget is a link as somebody gives it. Its address has been checked.
type LinkTarget struct{ Title, URL string }

// TopologyReport replaces the dependency graph.
type TopologyReport struct {
	Source string
	Spec   topology.Spec
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%d", i)
}

package correlate

import (
	"fmt"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// Severity is how bad an alert or incident is, worst last.
type Severity uint8

// The severities, worst last.
const (
	SeverityNone Severity = iota // says nothing: Watchdog and its like
	SeverityInfo
	SeverityWarning // also: an alert without a severity label
	SeverityError
	SeverityCritical
)

var severityNames = [...]string{"none", "info", "warning", "error", "critical"}

// String returns the lower-case name.
func (s Severity) String() string { return nameOf(severityNames[:], int(s)) }

// ParseSeverity reads a severity label as people write it. Unknown words and the
// empty string count as warning: an alert somebody wrote is worth a look.
func ParseSeverity(label string) Severity {
	switch strings.ToLower(label) {
	case "none", "ok", "null":
		return SeverityNone
	case "info", "information", "informational", "notice", "debug", "low", "p5", "sev5":
		return SeverityInfo
	case "error", "err", "major", "high", "p2", "sev2":
		return SeverityError
	case "critical", "crit", "page", "fatal", "emergency", "disaster", "urgent", "p1", "sev1":
		return SeverityCritical
	}
	return SeverityWarning
}

// Class is what kind of symptom an alert describes, see classify.go.
type Class uint8

// The classes of symptoms.
const (
	ClassOther       Class = iota // nothing recognised
	ClassCrash                    // the process itself died: crash loop, out of memory, panic, a full disk
	ClassError                    // it answers with errors
	ClassLatency                  // it answers slowly
	ClassSaturation               // a resource of its own is used up: CPU, memory, disk, connections, threads
	ClassSurge                    // more traffic than usual, from outside or because calls are tried again
	ClassTrafficGone              // less traffic than usual: something above broke
	ClassLag                      // work piles up in front of it: consumer lag, queue backlog
	ClassClientPool               // its pool of connections, threads or workers is used up: mostly it waits for something else
	ClassProbe                    // a probe, an objective or a health check over the whole of it failed
	ClassEdge                     // calls from one service to another fail: upstream errors, breaker open
	ClassChore                    // housekeeping that can wait: certificates, disks that fill up in days, failed jobs
	ClassDown                     // it does not answer at all: target missing, instance or host down
	ClassUnready                  // not ready to serve, perhaps for want of something else: readiness, missing replicas
)

var classNames = [...]string{"other", "crash", "error", "latency", "saturation", "surge", "traffic-gone", "lag", "client-pool", "probe", "edge", "chore", "down", "unready"}

// String returns the lower-case name.
func (c Class) String() string { return nameOf(classNames[:], int(c)) }

// FateKind is what became of an alert.
type FateKind uint8

// The fates. Each alert has exactly one at any time, with a written reason.
const (
	FatePending       FateKind = iota // waits for the settling time
	FateHeld                          // in an incident whose opening page is not due yet
	FatePaged                         // in an incident that was paged
	FateBelowSeverity                 // in an incident, but nothing in it is worth a page
	FateChronic                       // has been firing for long: listed, never paged
	FateFlapping                      // fires again and again: covered by the page of the first time
	FateNotPaged                      // the incident ended or was acknowledged before its page was due
	FateMuted                         // its Alertmanager silences or inhibits it, or it is in maintenance: evidence like any other, no reason to page
)

var fateNames = [...]string{"pending", "held", "paged", "below-severity", "chronic", "flapping", "not-paged", "muted"}

// String returns the lower-case name.
func (k FateKind) String() string { return nameOf(fateNames[:], int(k)) }

// Fate is what became of an alert, and why, in words.
type Fate struct {
	Kind FateKind
	Text string
	At   time.Time
}

// AlertState is one alert instance as the engine knows it.
type AlertState struct {
	Alert
	// Sender is the source of the batch that first brought it.
	Sender string
	// SenderURL is the [AlertBatch.ExternalURL] of the latest batch that spoke of it; may be empty.
	SenderURL string
	// Service is the service it is about; Caller is the other end of an edge alert, else zero.
	Service, Caller topology.Ref
	// Mapped is false when nothing in the labels named a service; Service is then a node of the alert's own.
	Mapped bool
	// MappedBy says in words what named the service.
	MappedBy string
	Class    Class
	Severity Severity
	// FirstSeen and LastSeen are when the first and the latest notification of it became durable.
	FirstSeen, LastSeen time.Time
	// EndedAt is when it ended by all we know; zero while it fires.
	EndedAt time.Time
	// Incident is the id of the incident that holds it; empty while pending.
	Incident string
	// Truncated counts the alerts that the sender left out of the notification that brought this one.
	Truncated int
	// Bond names the decision that put it together with others: alerts of one bond stay together, see [Engine.bind]. 0: none did.
	Bond uint64
	// Opening is set on the alerts that the incident's first opening page spoke of: they hold its identity when alerts are divided anew.
	Opening bool
	// Detached says who took it out of which incident, because it is about something else that
	// is worth no page; empty: nobody did. It holds for this instance: when it fires again it may page.
	Detached string
	// Maintenance says in which window of maintenance it fires, or last fired; empty: in none. See [Maintenance].
	Maintenance string
	Fate        Fate
	// Archived is set once, when the engine forgets the instance; the row is history from then on.
	Archived bool
	// Revision is the stream position at which the row last changed.
	Revision uint64
}

// Active reports whether the alert still fires.
func (a *AlertState) Active() bool { return a.EndedAt.IsZero() }

// IncidentState is where an incident stands.
type IncidentState uint8

// The states of an incident.
const (
	IncidentOpen     IncidentState = iota
	IncidentResolved               // all alerts ended and the settling period passed, or an operator said so
	IncidentMerged                 // continues under another id
)

var incidentStateNames = [...]string{"open", "resolved", "merged"}

// String returns the lower-case name.
func (s IncidentState) String() string { return nameOf(incidentStateNames[:], int(s)) }

// Reason is one weight of evidence.
type Reason struct {
	Text string
	// Term is the part of the score that it tells of; 0 in rows that were stored before there were terms.
	Term Term
	// Weight is in nats (natural-log odds), positive for, negative against. Sources: Good's
	// weight of evidence; ALGORITHM.md section 6.6.
	Weight float64
}

// String renders the reason as it stands on a page.
func (r Reason) String() string { return fmt.Sprintf("%s %+.1f", r.Text, r.Weight) }

// Origin is a candidate for the service at which the failure began.
type Origin struct {
	Service topology.Ref
	Kind    topology.Kind
	Owner   string
	// Probability is 0..1. The candidates and [Incident.Unknown] sum to at most 1.
	Probability float64
	// Silent: the candidate has no alert of its own.
	Silent bool
	// SilenceCost is what that costs it, in nats, ≥ 0: a part of the weight of its [TermWay].
	SilenceCost float64
	Reasons     []Reason // strongest for it first, strongest against it last
}

// ServiceImpact is one service that an incident hit.
type ServiceImpact struct {
	Service topology.Ref
	Kind    topology.Kind
	Owner   string
	Alerts  int // instances, all told
	Firing  int // instances that still fire
	// Unexplained are the alerts on it that are evidence and that no step from the leading origin explains.
	Unexplained int
	Severity    Severity
	Since       time.Time // earliest onset
	// Distance is in hops from the origin along Path; -1 when it is not on the path.
	Distance int
}

// PathEdge is one step of the way the failure took. Cause failed first, Effect followed.
type PathEdge struct {
	Cause, Effect topology.Ref
	// Delay is from the cause's onset to the effect's; zero when either is silent.
	Delay time.Duration
	// Kind is how it spreads, in a word: "depends", "overload", "starvation", "runs-on".
	Kind string
	// Role is what became of Effect, in a word: "victim", "hosted" (what it runs on failed),
	// "starved" (it lost its traffic) or "loaded" (more came upon it than it could bear).
	// It decides what the kinds of its symptoms are worth.
	Role string
	// Cost is -ln of the probability that the failure takes the step, in nats, ≥ 0. Learned
	// where incidents taught it. A step of starvation counts from the nearest service that is in trouble itself.
	Cost float64
	// Passing is what it costs besides, in nats, that the failure passed Cause, which shows
	// nothing; 0 when Cause shows something, and on all but the first step from there.
	Passing float64
}

// TimelineKind is what sort of thing a timeline entry tells.
type TimelineKind uint8

// The kinds of timeline entries.
const (
	TimelineNote TimelineKind = iota // written by a person
	TimelineOpened
	TimelineJoined   // services or alerts joined
	TimelineOrigin   // the probable origin changed
	TimelinePage     // a page was decided
	TimelineMerged   // another incident was merged into it, or it into another
	TimelineAcked    // acknowledged
	TimelineEnded    // resolved
	TimelineReopened // came back
	TimelineChange   // a change event that bears on it
	TimelineSplit    // alerts moved to another incident

	TimelineSeverity     // its [Sev] changed
	TimelineStatus       // its [Status] was set
	TimelineRole         // somebody took a role, or left it
	TimelineUpdate       // people told each other how it stands
	TimelinePublicUpdate // those outside were told how it stands
	TimelineLink         // a link was set or removed
	TimelineClosed       // closed, with the reason
	TimelineAction       // an action item was added or changed
)

var timelineNames = [...]string{
	"note", "opened", "joined", "origin", "page", "merged", "acknowledged", "resolved", "reopened", "change", "split",
	"severity", "status", "role", "update", "public-update", "link", "closed", "action-item",
}

// String returns the lower-case name.
func (k TimelineKind) String() string { return nameOf(timelineNames[:], int(k)) }

// TimelineEntry is one line of an incident's history.
type TimelineEntry struct {
	At    time.Time
	Kind  TimelineKind
	Text  string
	Actor string // empty: the engine
	// Source is what the actor did it with: "hwctl", "rest", "grpc"; empty: not known, or the engine.
	Source string
}

// Acknowledgement says who has the incident.
type Acknowledgement struct {
	At   time.Time
	By   string
	Note string
}

// HoldKind is why a page waits.
type HoldKind uint8

// The kinds of holds.
const (
	HoldNone        HoldKind = iota // nothing waits
	HoldCompanions                  // the opening page waits for what else fails, see [Config.Hold]
	HoldSettling                    // the resolve waits: what ended may come back
	HoldRecheck                     // the resolve waits: a health check of a service that was hit fails still
	HoldHours                       // the opening page waits for a route to open, see [Calendar]
	HoldDaytime                     // the opening page is not urgent and waits for the day, see [Daytime]
	HoldMaintenance                 // the opening page waits for a maintenance window to end, see [Maintenance]
)

var holdNames = [...]string{"none", "companions", "settling", "recheck", "hours", "daytime", "maintenance"}

// String returns the lower-case name.
func (k HoldKind) String() string { return nameOf(holdNames[:], int(k)) }

// Hold is what keeps an incident's next page back: the opening page, or the resolve.
type Hold struct {
	Kind HoldKind
	Text string // why, in words
	// Until is when it is looked at again, and at the latest ends if nothing else happens.
	Until time.Time
}

// Paging is what has been decided about an incident's page. Two are compared with ==.
type Paging struct {
	// DueAt is when the opening page leaves at the latest; zero when nothing in the incident is page-worthy or it has left.
	DueAt time.Time
	// OpenedAt, UpdatedAt and ResolvedAt are when the latest page of each kind was decided; zero: none.
	OpenedAt, UpdatedAt, ResolvedAt time.Time
	// Opens counts opening pages: 1, and 1 more for every re-page.
	Opens int
	// Seq numbers the pages of the incident, all kinds together, from 1.
	Seq uint64
	// UpdateDueAt is when a change worth telling is told; zero: nothing new to tell.
	UpdateDueAt time.Time
	// SaidOrigin, SaidSeverity and SaidServices are what the latest page said.
	SaidOrigin   topology.Ref
	SaidSeverity Severity
	SaidServices int
	// Hold is why on-call has no page yet, or still has one; its kind is [HoldNone] when nothing waits.
	Hold Hold
	// Rings counts the pages that rang, see [Page.Ring]; 0 also in rows from before there were rings.
	Rings int
	// RangAt is when it last rang at all who have it; RangSev and RangServices are how bad it was then,
	// RangOwner whose it was when it last rang at all, and NamedSev how bad then.
	RangAt            time.Time
	RangSev, NamedSev Sev
	RangServices      int
	RangOwner         string
	// Reminders counts the reminders since the latest opening page.
	Reminders int
	// CallDueAt is when it rings next if nothing changes: a named change, a reminder, a step
	// of the escalation; zero: never.
	CallDueAt time.Time
	// RouteOpensAt is when the first of the routes opens that were muted, by RouteMuted, when it
	// last rang; zero: none was, or none opens.
	RouteOpensAt time.Time
	RouteMuted   string
}

// Incident is one failure and all that it set off.
type Incident struct {
	ID     string // INC-<number>
	Number uint64
	State  IncidentState
	// Title is the name of the most telling alert: the origin's own, else the worst. [Incident.Headline] says the whole.
	Title    string
	Severity Severity
	// Sev is how bad it is, see [Engine.grade], and SevWhy says why in words.
	Sev    Sev
	SevWhy string
	// SetSev is what an operator said of that; nil: nobody did, or the word was withdrawn.
	SetSev *SevStatement
	// Status is how far people have come with it.
	Status Status
	// Closed says who closed it and why; nil unless Status is [StatusClosed].
	Closed *Closure
	// Roles are who does what: the common roles first, then by name.
	Roles []Role
	// Links are where people look: the configured ones in their order, then by age.
	Links []Link
	// StartedAt is the earliest onset; OpenedAt when the engine opened it; ResolvedAt zero while open.
	StartedAt, OpenedAt, UpdatedAt, ResolvedAt time.Time
	// ResolvedBy is the operator who resolved it; empty: it ended by itself.
	ResolvedBy string
	// QuietSince is when its last firing alert ended; zero while one fires.
	QuietSince time.Time
	// CloseAt is when it ends if nothing of it fires again; zero while something fires, and in
	// rows from before there was a settling period of its own.
	CloseAt time.Time
	// ReviewAt is when it is judged anew because a part of it recovered; zero: nothing is due.
	// ReviewedUntil is the end up to which that was done.
	ReviewAt, ReviewedUntil time.Time
	// Unsettled: evidence changed since it was last judged.
	Unsettled bool
	// Origins are ranked, best first, at most [Config.MaxOrigins].
	Origins []Origin
	// Unknown is the probability that the origin is none of them.
	Unknown  float64
	Services []ServiceImpact // origin first, then by onset
	// NextHit are the services that depend on what already failed and show nothing yet, most exposed first.
	NextHit []topology.Ref
	Path    []PathEdge
	// Changes that happened shortly before the start on the origin candidates or on their way, latest first.
	Changes []Change
	// Gaps are candidates that nothing watches, in words.
	Gaps []string
	// Alerts and Firing count instances; Muted those of Firing that an Alertmanager silences or inhibits, or that are in maintenance.
	Alerts, Firing, Muted int
	// Truncated counts alerts that senders left out of notifications that belong here.
	Truncated  int
	MergedInto string   // id, when State is IncidentMerged
	Merged     []string // ids that were merged into this one
	// SplitFrom is the id of the incident that its first alerts were taken from, by an operator or by the engine; empty: none.
	SplitFrom string
	// Informed are the owners who were paged or got a notice: each hears of it once.
	Informed []string
	// Rejoined counts how often the engine joined to it what it had divided from it before.
	Rejoined int
	// Apart are the incidents that it is kept apart from, see [Parting].
	Apart []Parting
	// SetOrigin is what an operator said of its origin; nil: nobody did, or the word was withdrawn.
	SetOrigin *OriginStatement
	Ack       *Acknowledgement
	Timeline  []TimelineEntry
	Paging    Paging
	// Escalated are the steps of the escalation that were taken since the latest opening page, in their order.
	Escalated []EscalatedStep
	// Runbooks are links from the alerts' annotations and the origin's service, without repeats.
	Runbooks []string
	// Labels and annotations for routing a page: environment, namespace, owner, tier … see [Incident.RouteLabels].
	Environment     string
	TopologyVersion string
	// Remedy is what people said ended it: with the resolve, else when they began to mitigate,
	// else when they closed it; empty: nothing.
	Remedy string
	// SeenBefore is what was remembered of incidents like it.
	SeenBefore SeenBefore
	// Archived: the engine has forgotten its alerts, and none can join it any more. While it
	// is Kept, people can still write to its record; then the row is history.
	Archived, Kept bool
	Revision       uint64
}

// Origin returns the best candidate, or nil when there is none.
func (i *Incident) Origin() *Origin {
	if len(i.Origins) == 0 {
		return nil
	}
	return &i.Origins[0]
}

// Attended reports whether somebody has it: it was acknowledged, or people said how far they are.
func (i *Incident) Attended() bool {
	return i.Ack != nil || i.Status >= StatusInvestigating && i.Status <= StatusMitigating
}

// RouteLabels are the labels that a `route:` may match on: incident, severity (of its
// alerts), sev (SEV1 to SEV4), environment, origin, namespace, kind, owner and team (the same value). Empty values are left out.
func (i *Incident) RouteLabels() map[string]string {
	l := map[string]string{"alertname": "HeadwaterIncident", "incident": i.ID, "severity": i.Severity.String()}
	put := func(k, v string) {
		if v != "" {
			l[k] = v
		}
	}
	if i.Sev != SevUnset {
		put("sev", i.Sev.String())
	}
	put("environment", i.Environment)
	if o := i.Origin(); o != nil {
		put("origin", o.Service.Name)
		put("namespace", o.Service.Namespace)
		put("origin_kind", o.Kind.String())
		put("owner", o.Owner)
		put("team", o.Owner)
	}
	return l
}

// PageKind is what a page tells its receiver.
type PageKind uint8

// The kinds of pages. What an incident's pages are is between an opening page and a resolve,
// and over again when it comes back; notices and public updates may come at any time.
const (
	PageOpen         PageKind = iota // opens the incident at the receivers
	PageUpdate                       // edits what the receivers show
	PageResolve                      // closes it
	PageRing                         // rings again: a named change, a reminder, a route that opens
	PageEscalate                     // rings the receivers that a step of the escalation names
	PageNotice                       // tells the owners of services that were hit; rings nobody
	PagePublicUpdate                 // what people wrote for those outside; for status pages, no receiver shows it
)

var pageNames = [...]string{"open", "update", "resolved", "ring", "escalate", "notice", "public-update"}

// String returns the lower-case name.
func (k PageKind) String() string { return nameOf(pageNames[:], int(k)) }

// Rings reports whether a page of the kind is meant to be noticed.
func (k PageKind) Rings() bool { return k == PageOpen || k == PageRing || k == PageEscalate }

// Aside reports whether a page of the kind changes nothing of what on-call's receivers show.
func (k PageKind) Aside() bool { return k == PageNotice || k == PagePublicUpdate }

// Page is one decision to tell on-call something. It is complete: whoever
// delivers it needs nothing else.
type Page struct {
	Incident Incident // as it was when the page was decided
	Seq      uint64   // per incident, from 1, without gaps
	Kind     PageKind
	At       time.Time
	Reason   string // why this page, why now, in words
	// Alerts are the most telling alerts, origin's first, at most [Config.MaxPageAlerts].
	Alerts []AlertState
	// To names the receivers that it is for; empty: those that the route leads to. Other
	// receivers that have the incident open get it as an edit, unless the kind is [PageKind.Aside].
	To []string
	// Ring numbers the pages of an incident that ring, from 1; 0 on all others, and on pages from before there were rings.
	Ring int
	// Owners are the teams that a notice is for, by the owners of services.
	Owners []string
	// Newcomers: it rings only those who do not have the incident open, and is an edit to the others.
	Newcomers bool
}

// DedupKey is stable over the incident's life; receivers fold pages by it.
func (p *Page) DedupKey() string { return RingKey(p.Incident.ID, 1) }

// RingKey is the key of an incident's n-th ring at a receiver that stays silent for what
// it knows by its key. The first ring's is [Page.DedupKey]; 0 counts as the first.
func RingKey(incident string, n int) string {
	if n > 1 {
		return fmt.Sprintf("incident/%s/%d", incident, n)
	}
	return "incident/" + incident
}

// HealthState is what the engine remembers of one check.
type HealthState struct {
	Service topology.Ref
	Check   string
	Status  HealthStatus
	Latency time.Duration
	Message string
	// At is when the latest result was sampled; Since when the status last changed.
	At, Since time.Time
	// Failures counts failing or degraded results in a row, Successes passing ones. It begins anew
	// when a check fails whose alert was raised because it was degraded.
	Failures, Successes int
	// Alert is the instance that the failures raised; zero when none is active.
	Alert AlertID
	// TTL is how long after At it is forgotten, as the latest result had it; 0: [Config.HealthTTL].
	TTL time.Duration
	// Forgotten: nobody reported it for its TTL, so the row goes.
	Forgotten bool
	Revision  uint64
}

// ChangeState is a change event as stored.
type ChangeState struct {
	Change
	Pos      uint64 // stream position that brought it: its id
	Archived bool
}

// Meta is the part of the engine's state that is in no other row.
type Meta struct {
	Pos             uint64    // last position applied
	Now             time.Time // the engine's time
	NextIncident    uint64    // number of the next incident
	TopologyVersion string
	// SettleAt is the pending settling deadline; zero: none.
	SettleAt time.Time
	// LastActionItem is the number of the latest action item; 0: there was none.
	LastActionItem uint64
	// LastMaintenance is the number of the latest window of maintenance; 0: there was none.
	LastMaintenance uint64
}

// Stat is one learned figure, durable and inspectable.
type Stat struct {
	Key   string  // "<kind>/<subject>", for example "spoke/shop/cart"; see learned.go
	Count float64 // how much was seen; 0: forgotten, the row goes
	At    time.Time
}

// Delta is everything that one step changed. Rows replace rows of the same key.
// It is what a store commits in one transaction.
type Delta struct {
	Meta        Meta
	Alerts      []*AlertState
	Incidents   []*Incident
	Health      []*HealthState
	Changes     []*ChangeState
	Stats       []Stat
	Actions     []*ActionItem
	Past        []*Past
	Maintenance []*Maintenance
	Topology    *topology.Spec // non-nil when the graph changed
	Pages       []*Page
	// Imports are rows of history that a store adds where it has none of the same key. They are
	// part of no snapshot.
	Imports []*Import
	// Rejected says why a command, a topology report or an import was not carried out; empty when it was.
	Rejected string
}

// Snapshot is the engine's whole state: the union of all rows that are not
// archived. The order of rows does not matter.
type Snapshot struct {
	Meta        Meta
	Alerts      []*AlertState
	Incidents   []*Incident
	Health      []*HealthState
	Changes     []*ChangeState
	Stats       []Stat
	Actions     []*ActionItem
	Past        []*Past
	Maintenance []*Maintenance
	Topology    *topology.Spec
}

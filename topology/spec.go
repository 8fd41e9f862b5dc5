package topology

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind says what a node is. It shapes priors and pictures, never reachability.
type Kind uint8

const (
	KindService  Kind = iota // a service of unspecified kind
	KindFrontend             // faces users: a web front end, an edge proxy
	KindAPI                  // answers requests
	KindWorker               // works in the background: jobs, consumers
	KindDatabase             // keeps data; shared capacity
	KindCache                // keeps copies of data; its loss moves load to what it shields
	KindQueue                // a broker, topic or stream
	KindExternal             // somebody else's: a vendor's API, traffic outside the mesh
	KindHost                 // a machine that services run on
	KindZone                 // a zone or region that hosts are in
	KindCluster              // a cluster of hosts
)

var kindNames = [...]string{
	"service", "frontend", "api", "worker", "database", "cache",
	"queue", "external", "host", "zone", "cluster",
}

// String is the name that [ParseKind] accepts.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// IsPlace reports whether services are located in or on such a node, rather than
// calling it.
func (k Kind) IsPlace() bool { return k == KindHost || k == KindZone || k == KindCluster }

// ParseKind reads a kind's name. The empty string is [KindService], and "region" is
// [KindZone].
func ParseKind(s string) (Kind, error) {
	switch s {
	case "":
		return KindService, nil
	case "region":
		return KindZone, nil
	}
	if i := slices.Index(kindNames[:], s); i >= 0 {
		return Kind(i), nil
	}
	return KindService, fmt.Errorf("unknown kind %q; use one of %s", s, strings.Join(KindNames(), ", "))
}

// KindNames lists the kinds in the order of their constants.
func KindNames() []string { return slices.Clone(kindNames[:]) }

// Mode says how much the one that depends needs the other. Lower is stronger.
type Mode uint8

const (
	ModeHard  Mode = iota // cannot work without it
	ModeSoft              // works with less: a fallback, an optional panel
	ModeAsync             // notices later: through a queue, a schedule or a cache
)

var modeNames = [...]string{"hard", "soft", "async"}

// String is the name that [ParseMode] accepts.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("mode(%d)", uint8(m))
}

// ParseMode reads a mode's name. The empty string is [ModeHard].
func ParseMode(s string) (Mode, error) {
	if s == "" {
		return ModeHard, nil
	}
	if i := slices.Index(modeNames[:], s); i >= 0 {
		return Mode(i), nil
	}
	return ModeHard, fmt.Errorf("unknown mode %q; use one of %s", s, strings.Join(ModeNames(), ", "))
}

// ModeNames lists the modes, strongest first.
func ModeNames() []string { return slices.Clone(modeNames[:]) }

// Service is one node as a source reports it.
type Service struct {
	Name      string
	Namespace string
	Kind      Kind
	Labels    map[string]string // those that the Resolver knows (app, job, instance, …) also find it by alert labels
	Owner     string            // the team that is called
	Tier      int               // importance: 1 is the most critical, 0 is unset
	Runbook   string            // URL
	Links     map[string]string // title to URL
	RunsOn    []string          // hosts, zones or clusters, as ParseRef reads them
	Aliases   []string          // other names of it, as ParseRef reads them; a service's own name wins over them
	Seen      []Sighting        // which sources know it, by name; empty: nobody says
}

// Ref is the service's full name.
func (s *Service) Ref() Ref { return Ref{Namespace: s.Namespace, Name: s.Name} }

// Dependency says that From needs To.
type Dependency struct {
	From, To Ref
	Mode     Mode
	Group    string     // redundancy group, local to From; empty: needed for itself
	Seen     []Sighting // which sources know it, by name; empty: nobody says
}

// Sighting is what one source knows of one service or dependency: provenance, no part
// of the graph. Two Specs that differ in sightings alone describe the same graph.
type Sighting struct {
	Source    string    // the source's name, such as "file" or "istio"
	FirstSeen time.Time // zero: not known
	LastSeen  time.Time // when the source last saw it at work; zero: not known

	// Of a dependency: what went over it lately. Of a service both are unknown.
	RequestsPerSecond Measure
	ErrorRatio        Measure // failed requests of all, 0 to 1
}

// Measure is a number that may be unknown, which the zero value is.
type Measure struct {
	Value float64
	Known bool
}

// Measured is a Measure that is known.
func Measured(v float64) Measure { return Measure{Value: v, Known: true} }

// Group sets how many members of a redundancy group must work (k of n). A group that
// is not listed needs one.
type Group struct {
	From Ref
	Name string
	Need int // values below 1 mean 1
}

// Spec is a whole topology as plain data: what sources report, what travels on the
// stream and what is kept on disk. Version identifies the content; sources choose it.
type Spec struct {
	Version      string
	Services     []Service
	Dependencies []Dependency
	Groups       []Group

	// Reports is what single sources said, of those whose words the merged lists above
	// do not give back: so that each is known as it was after a restart. It is no part
	// of the graph. Whoever does not merge leaves it empty.
	Reports []SourceReport
}

// SourceReport is what one source said, in its own words.
type SourceReport struct {
	Source       string
	Services     []Service
	Dependencies []Dependency
	Groups       []Group

	// Of what was pushed: who pushed it last and when, and how long it stays after it
	// was last pushed (0: until it is deleted).
	By  string
	At  time.Time
	TTL time.Duration
}

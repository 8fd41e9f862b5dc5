package discovery

import (
	"context"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// Report is all that a source knows at one time. What an earlier report had and this
// one has not is gone from the source's view; it stays in the graph for the source's
// TTL from when it was last seen.
//
// A source that knows more than "it is in this report" puts one Sighting without a
// Source into Seen: LastSeen (when a counter last moved), the rate, the share of errors.
// Without one, everything in a report counts as seen when it was fetched.
//
// Names are the source's own; they need not be those of other sources. What else the
// source calls the same thing goes into Service.Aliases.
type Report struct {
	Services     []topology.Service
	Dependencies []topology.Dependency
	Groups       []topology.Group
	Warnings     []topology.Warning // what was repaired or left out, for people
}

// Source asks one place for the map.
type Source interface {
	// Name tells the source from all others of one configuration. It is written into
	// every Sighting, so it stays the same as long as the source does.
	Name() string
	// Fetch asks once. It is called by one goroutine at a time and ends soon after ctx,
	// whose deadline is Config.Timeout. The report becomes the caller's. An error keeps
	// the source's last report in force.
	Fetch(ctx context.Context) (Report, error)
}

// Notifier is a [Source] that notices changes by itself, such as one that reads files.
type Notifier interface {
	Source
	// Notify calls changed whenever Fetch is worth calling before its interval has
	// passed, until ctx ends. An error means that it cannot notice, and that only the
	// interval is left. changed does not block and may be called from any goroutine.
	Notify(ctx context.Context, changed func()) error
}

// Config is a source and how it is asked. Zero durations are the defaults.
type Config struct {
	Source Source

	// Declared: people wrote down what it says, so it wins over every source that is
	// not, and an edge's mode and redundancy group are its. Among equals the source
	// that comes first in the configuration wins.
	Declared bool
	// Identity changes when the source's own settings do: a reload replaces a source
	// only then. Either way it keeps the report of the source that had its name.
	Identity string

	// RefreshInterval is the time between two fetches. Default [DefaultRefreshInterval].
	RefreshInterval time.Duration
	// Timeout bounds one fetch. Default [DefaultTimeout].
	Timeout time.Duration
	// TTL is how long a service or dependency stays after it was last seen. 0: it
	// leaves with the first report that does not have it.
	TTL time.Duration
}

// Defaults of [Config].
const (
	DefaultRefreshInterval = time.Minute
	DefaultTimeout         = 30 * time.Second
)

// PushedPrefix begins the names of the sources that the API was told: whoever pushes as
// "ci" is the source "api:ci". No configured source has such a name.
const PushedPrefix = "api:"

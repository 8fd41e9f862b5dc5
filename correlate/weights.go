package correlate

import (
	"math"

	"github.com/headwater-sre/headwater/topology"
)

// This file holds every number of the score. Scores are in nats: the natural
// logarithm of odds, so that independent evidence adds up (I. J. Good, "Weight
// of evidence", 1985). The propagation-tree likelihood follows Bahl et al.,
// "Towards highly reliable enterprise network services via inference of
// multi-level dependencies" (SIGCOMM 2007), and Kandula et al., "Shrink"
// (MineNet 2005); the values were found on simulated cascades, never from the
// frequencies of fault kinds.

// Gains of explaining an alert, before its class.
const (
	gainAlert    = 5.54 // ln of (detection rate × share of the class) over (false alarms in the window)
	lessInfo     = 2.0  // an info alert fires more often without a failure
	lessChore    = 2.83 // housekeeping fires for reasons of its own
	lessTraffic  = 0.5  // traffic alerts follow the clock as well as failures
	repeatFactor = 0.3  // further alerts of one node in one incident are mostly one observation …
	repeatsCount = 1.2  // … and all of them together count as little more than one alert
	callsFactor  = 0.64 // a further caller whose calls fail
	edgeAtCallee = 0.13 // an edge alert counts at the callee almost in full …
	edgeAtCaller = 1.69 // … and at the caller with this loss
	edgeTraverse = 0.05 // the cost of a step along which calls are known to fail
)

// classWeight is how much likelier a class is as the origin's own symptom, as a
// victim's, as that of a service that merely lost its traffic, that ran on a host that failed,
// or that more load came upon than it could bear.
var classWeight = [...]struct{ origin, victim, starved, ofHost, loaded float64 }{
	ClassOther:       {0, 0, -3, 0, 0},
	ClassCrash:       {2.4, -1.7, -1, .5, -1},
	ClassDown:        {1, -.4, -1, .5, -.4},
	ClassUnready:     {.3, 0, -1, .5, 0},
	ClassError:       {0, 0, -3, -.7, 0},
	ClassLatency:     {0, 0, -3, -.4, .6},
	ClassSaturation:  {1.9, 0, -1, -.4, 1},
	ClassSurge:       {1.8, 0, -3, 0, .5},
	ClassTrafficGone: {-2.2, -1.6, .6, -1, -1},
	ClassLag:         {.3, 0, -1, 0, .3},
	ClassClientPool:  {.3, 0, -3, 0, .3},
	ClassProbe:       {-.5, .2, -3, -.7, 0},
	ClassEdge:        {-1, 0, -3, 0, 0}, // as an alert of the caller: its calls fail, it points further down
	ClassChore:       {0, 0, -3, 0, 0},
}

func (c Class) gain(s Severity) float64 {
	g := gainAlert
	if s <= SeverityInfo {
		g -= lessInfo
	}
	switch c {
	case ClassChore:
		g -= lessChore
	case ClassTrafficGone:
		g -= lessTraffic
	}
	return g
}

// Costs of steps, -ln of the probability that the failure takes them.
var (
	costHard      = -math.Log(.7)
	costSoft      = -math.Log(.35)
	costAsync     = -math.Log(.33)
	costRedundant = -math.Log(.34)
	costHost      = -math.Log(.8)
	costHostGroup = -math.Log(.3)
	costZone      = -math.Log(.9)

	costOverloadShared   = -math.Log(.02) // load moves from the origin onto a database, cache or queue that it shares
	costSeenByClients    = -math.Log(.3)  // what clients measure of a service is one client's own trouble
	costOverloadRetry    = -math.Log(.1)  // … from a caller that tries again, onto anything it calls
	costOverloadFallback = -math.Log(.2)  // … from a caller that lost its cache
	costOverloadPool     = -math.Log(.15) // … from a caller whose pool of connections is used up: it may be the one that leaks them
	costOverloadLeak     = -math.Log(.28) // … from one that was changed
	costOverloadSurge    = 0.3            // … from a caller that reports a surge, onto anything it calls
	costStarve           = 1.02           // the first step along which traffic stops
	costStarveFurther    = 0.56
)

// stepCost is the cost of a failure of callee reaching caller over edge e.
func (s *nodeSpace) stepCost(caller, callee nodeID, e topology.Edge) float64 {
	host := isPlace(s.kind(callee)) && !isPlace(s.kind(caller))
	if e.Group >= 0 {
		if g := s.groups[e.Group]; g.need < g.size {
			if host {
				return costHostGroup
			}
			return costRedundant
		}
	}
	switch {
	case host:
		return costHost
	case isPlace(s.kind(callee)):
		return costZone
	case e.Mode == topology.ModeSoft:
		return costSoft
	case e.Mode == topology.ModeAsync:
		return costAsync
	}
	return costHard
}

func isPlace(k topology.Kind) bool { return k.IsPlace() }

// silence is the cost of a failed node that raises no alert: -ln(1-coverage).
func silence(k topology.Kind) float64 {
	switch k {
	case topology.KindHost:
		return -math.Log(1 - .8)
	case topology.KindZone, topology.KindExternal:
		return -math.Log(1 - .1)
	}
	return -math.Log(1 - .7)
}

// originCoverage is the probability that the node where a failure began raises an alert of
// its own. A service's errors and latency are measured wherever it is called from; a database or
// cache is watched only where somebody set up an exporter for it, an external service or a zone hardly ever.
func originCoverage(k topology.Kind) float64 {
	switch k {
	case topology.KindDatabase, topology.KindCache, topology.KindQueue:
		return .4
	case topology.KindZone, topology.KindExternal:
		return .3
	}
	return .9
}

// coverage is the probability that a failed node of the kind alerts.
func coverage(k topology.Kind) float64 { return 1 - math.Exp(-silence(k)) }

// Time, in seconds.
const (
	lateScale     = 82.0 // ln(1 + delay/lateScale): late costs little
	earlyScale    = 36.0 // an effect before its cause costs |delay|/earlyScale
	timeCapGroup  = 7.31
	timeCapRank   = 4.85 // order must not overrule the graph when origins are ranked
	afterEndGrace = 60.0
	afterEndScale = 40.0
	afterEndCap   = 4.0

	lateSymptom   = 180.0 // s after a service's first alert: what kind a symptom is no longer tells whose it is
	gapGrace      = 110.0 // quiet for longer than this, and the next alert hardly belongs to the same failure
	gapGraceSlow  = 170.0
	gapScale      = 32.0
	gapSameNode   = 0.13 // … less so for a service that was alerting all along
	followWithin  = 300.0
	quantumMax    = 300.0
	quantumTenth  = 10
	leakWithin    = 60.0
	leakMinAlerts = 8
)

// Health, changes, quiet dependents.
const (
	healthGrouping = 0.5 // checks of victims fail too: they rank origins, they hardly make one
	healthFailing  = 3.15
	healthDegraded = 1.8
	healthPassing  = -.88
	changeScale    = 655.0 // seconds
	changeHorizon  = 3600.0
	leakScale      = 2 * 86400.0 // a leak that a change brought in needs days to fill a pool
	leakOdds       = 2.0
	loadMoved      = 0.7 // what is shared fails under load that its callers report
	quietFactor    = 0.5
	quietOnWay     = 0.67 // of a host that a zone's failure passes
	quietCap       = 25.0
	quietSample    = 256
)

// Recovery, see recovery.go.
const (
	recoveryGrace = 150.0 // s within which what one failure set off recovers
	recoveryScale = 30.0  // s beyond that after which the charge is whole
	recoveryWait  = 60.0  // s for which an end is not taken for good while others still fire
	recoveryFirst = 1.5   // a part that recovered at another time …
	recoveryFold  = 0.85  // … and for each e-fold of its services
	recoveryMost  = 5.0
	recoveryApart = 0.5 // what remains of counting a service twice that recovered twice
)

// Grouping and ranking.
const (
	addPerFold    = 0.66 // … and this much more for each e-fold of the services hit beyond addServices
	addServices   = 8.0
	addOrigin     = 4.0   // a further origin at the same time costs this much: failures come in bursts
	relapseWithin = 180.0 // s: a service that fails again so soon has not failed anew
	openingWeight = 4     // alerts of the opening page hold the identity of the incident
	rankTemper    = 1.0   // softmax temperature: above one where terms are not independent; none is needed
	unknownShare  = 0.18
)

// Bounds.
const (
	closureNodes   = 256 // dependencies looked at per alerting node
	closureCost    = 4.0
	starveNodes    = 64 // callers looked at per node that lost its traffic
	maxSceneAlerts = 2000
	maxMoveAlerts  = 64
	maxStarts      = 4 // onsets tried per candidate
)

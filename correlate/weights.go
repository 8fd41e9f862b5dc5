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
	gainAlert    = 5.0  // ln of (detection rate × share of the class) over (false alarms in the window)
	lessInfo     = 1.0  // an info alert fires more often without a failure
	lessChore    = 2.5  // housekeeping fires for reasons of its own
	lessTraffic  = 0.5  // traffic alerts follow the clock as well as failures
	repeatFactor = 0.3  // further alerts of one node in one incident are mostly one observation …
	repeatsCount = 1.2  // … and all of them together count as little more than one alert
	callsFactor  = 0.6  // a further caller whose calls fail
	edgeAtCallee = 0.1  // an edge alert counts at the callee almost in full …
	edgeAtCaller = 1.5  // … and at the caller with this loss
	edgeTraverse = 0.05 // the cost of a step along which calls are known to fail
)

// classWeight is how much likelier a class is as the origin's own symptom, as a
// victim's, and as that of a service that merely lost its traffic.
var classWeight = [...]struct{ origin, victim, starved, ofHost float64 }{
	ClassOther:       {0, 0, -3, 0},
	ClassCrash:       {2, -1, -1, .5},
	ClassError:       {0, 0, -3, -.7},
	ClassLatency:     {0, 0, -3, -.4},
	ClassSaturation:  {1.2, -.4, -1, -.4},
	ClassSurge:       {.5, 0, -3, 0},
	ClassTrafficGone: {-1.5, -1, .6, -1},
	ClassLag:         {.3, 0, -1, 0},
	ClassClientPool:  {.3, 0, -3, 0},
	ClassProbe:       {-.6, .2, -3, -.7},
	ClassEdge:        {-1, .2, -3, 0}, // as an alert of the caller: its calls fail, it points further down
	ClassChore:       {0, 0, -3, 0},
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
	costAsync     = -math.Log(.25)
	costRedundant = -math.Log(.4)
	costHost      = -math.Log(.8)
	costHostGroup = -math.Log(.35)
	costZone      = -math.Log(.9)

	costOverload      = -math.Log(.05) // load moves from a caller onto what it calls
	costOverloadSurge = 0.6            // the same while the caller reports a surge
	costOverloadPool  = -math.Log(.15) // … while its pool of connections is used up: it may be the one that leaks them
	costOverloadLeak  = -math.Log(.25) // … after it was changed
	costStarve        = 0.8            // the first step along which traffic stops
	costStarveFurther = 0.48
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
		return -math.Log(1 - .85)
	case topology.KindZone, topology.KindExternal:
		return -math.Log(1 - .1)
	}
	return -math.Log(1 - .7)
}

// coverage is the probability that a failed node of the kind alerts.
func coverage(k topology.Kind) float64 { return 1 - math.Exp(-silence(k)) }

// Time, in seconds.
const (
	lateScale     = 60.0 // ln(1 + delay/lateScale): late costs little
	earlyScale    = 30.0 // an effect before its cause costs |delay|/earlyScale
	timeCapGroup  = 8.0
	timeCapRank   = 4.0 // order must not overrule the graph when origins are ranked
	afterEndGrace = 60.0
	afterEndScale = 120.0
	afterEndCap   = 4.0

	gapGrace      = 90.0 // quiet for longer than this, and the next alert hardly belongs to the same failure
	gapGraceSlow  = 240.0
	gapScale      = 40.0
	gapSameNode   = 0.3 // … less so for a service that was alerting all along
	followWithin  = 400.0
	quantumMax    = 300.0
	quantumTenth  = 10
	leakWithin    = 60.0
	leakMinAlerts = 8
)

// Health, changes, quiet dependents.
const (
	healthGrouping = 0.5 // checks of victims fail too: they rank origins, they hardly make one
	healthFailing  = 3.0
	healthDegraded = 1.8
	healthPassing  = -0.4
	changeScale    = 600.0 // seconds
	changeHorizon  = 3600.0
	leakScale      = 2 * 86400.0 // a leak that a change brought in needs days to fill a pool
	leakOdds       = 2.0
	loadMoved      = 0.7 // what is shared fails under load that its callers report
	quietFactor    = 0.5
	quietCap       = 25.0
	quietSample    = 256
)

// Grouping and ranking.
const (
	addOrigin     = 4.0 // a further origin at the same time costs this much: failures come in bursts
	splitOrigin   = 4.0
	openingWeight = 4   // alerts of the opening page hold the identity of the incident
	rankTemper    = 1.3 // softmax temperature: the terms are not independent
	unknownShare  = .18
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

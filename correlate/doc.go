// Package correlate is Headwater's engine: it turns a stream of signals into
// incidents, each with the service at which the failure probably began, and
// into the pages that on-call should receive.
//
// # What it promises
//
// The engine is a deterministic state machine. [Engine.Step] takes one [Input]
// and returns a [Delta]: everything that changed. It reads no clock, no
// randomness and no map order; time is the input's, and deadlines are data
// ([Engine.NextDeadline]). The same inputs under the same [Config] give the same
// incidents, the same ids and the same pages, also when the engine was restored
// from a [Snapshot] half-way ([Restore]).
//
// Deadlines that are due at or before an input's time are processed first, each
// at its own time, so a late tick changes nothing but the moment at which the
// result is known.
//
// Grouping is a function of the set of alerts, not of their order of arrival:
// alerts wait for a short settling time ([Config.Settle]), then all live alerts
// that could belong together are partitioned anew and the parts are matched with
// the incidents that already exist. Time is evidence here, never a window.
//
// An Engine is owned by one goroutine; nothing in it is safe for concurrent
// use. It does not block and starts no goroutine. What it returns may be kept:
// it never changes a value after handing it out.
//
// # What bounds its work
//
// Each bound is a constant.
//
//   - An alert is explained by at most closureNodes nodes below it (and starveNodes above it,
//     when its traffic is gone), within closureCost nats. What lies beyond is not considered as its origin.
//   - One settling places at most maxSceneAlerts alerts; the others wait for the next one,
//     which is asked for at once. Incidents that would exceed it keep what they have.
//   - A scene of more than maxEvidence alerts is a storm: at most stormEvidence of them, though at least one of each
//     service and edge, are weighed, and the others go where their representative goes. One of stormTries tries
//     is made to divide a storm; stormCandidates origins compete for its best tree and
//     stormRanked are ranked.
//   - A partition is improved in at most maxRounds rounds. Of a part, maxSplit second origins and maxCuts dear
//     steps and pauses are tried, each side with the maxPromising most promising origins
//     and maxStarts onsets; two parts are joined by one of maxJoint origins. What is not
//     tried stays as it is.
//   - A scene holds at most maxBearings distances between nodes and alerts; one that has more, and a storm, looks
//     for its trees without them, which takes longer and finds the same.
//   - Once the trees of a partition were grown through maxVisits nodes, no part is divided
//     any more: a part may then hold two failures until a later settling.
//   - Alerts change sides only where at most maxMoveAlerts are at hand.
//   - Silence of dependents, the next to be hit and changed clients are read from the first quietSample
//     callers of a node; at most maxClients changed clients become candidates.
//   - An incident lists at most Config.MaxOrigins origins; origins whose bound is rankHorizon nats
//     behind the leader are left out.
//
// # How it decides
//
// The score of "this failure began at c and reached these alerts" is a
// propagation tree over the dependency graph, see tree.go; how alerts are
// divided among such trees is partition.go; how the probabilities on the page
// come about is rank.go. docs/correlation.md tells the same in words.
package correlate

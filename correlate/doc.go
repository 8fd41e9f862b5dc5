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
// # How it decides
//
// The score of "this failure began at c and reached these alerts" is a
// propagation tree over the dependency graph, see tree.go; how alerts are
// divided among such trees is partition.go; how the probabilities on the page
// come about is rank.go. docs/correlation.md tells the same in words.
package correlate

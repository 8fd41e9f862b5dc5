// Package checker looks at services again and again, and reports what changed.
//
// A [Checker] runs checks and polls sources of results, each at its interval, and
// publishes health batches. It takes part in no decision: how many failures in a row make
// an alert is counted by the engine, from what is published here.
//
// # When
//
// A check is due whenever the time since the epoch, less an offset made of its name, is a
// multiple of its interval: checks are spread over the interval, the same way in each
// run, and a restart or reload moves none. A new check with a long interval has its first
// turn within [firstTurn]. One goroutine keeps the time of all; at most Concurrency probes
// run at once, each bounded by its timeout. A check runs once at a time and waits once
// in the queue: when its turn comes round again before that, the turn is missed, and counted. Checks
// that took more than half their timeout wait in a lane of their own, which has half of
// the places: targets that hang delay each other, and not the others.
//
// # What is published
//
// Not each result: two thousand of them in fifteen seconds would be most of the stream,
// and say nothing. A result is published when it
//
//   - is the first, or has another status than the one before,
//   - is one of those in a row that the engine needs to raise or end an alert,
//   - comes while somebody pays attention ([Checker.Attend]), which is while an incident
//     grows: then each result is, and with the beginning of attention the latest of all,
//   - comes a refresh interval after the last one published.
//
// With it goes how many results it stands for, so that the engine's count is that of the
// probes. What the engine knows of a check is therefore no older than the refresh
// interval, and, while an incident is under way, no older than the check's interval and a
// second.
//
// # When the stream is away
//
// Results wait, those of one check and status as one, at most [maxWaiting] of a check; the
// oldest go first, counted. Probing goes on meanwhile.
package checker

// Package reconcile asks Alertmanagers what they hold and puts the difference to what
// fires here on the stream, as signals like all others.
//
// Webhooks do not tell everything: notifications are truncated, resolves of an
// Alertmanager that was restarted never come, and of what is silenced or inhibited
// nothing is told at all. So, on a period, and at once after a truncated notification:
//
//   - what an Alertmanager holds and nothing here does begins to fire here;
//   - what it silences, inhibits or mutes by the clock is muted here, with the reason;
//   - what fires here, came from it, and it no longer has, ends;
//   - what it still has counts as news where alerts end for want of news.
//
// # What it promises
//
// No alert ends because an Alertmanager could not be asked, or has just been started and has not
// been told everything yet: it ends when every Alertmanager of its external URL answered, has been
// up for [settleIn], and had it in none of the answers of at least [grace].
//
// An alert "came from" an Alertmanager when the latest batch that spoke of it had its
// external URL; several entries of one external URL are a highly available group. When one Alertmanager
// alone is configured, without an external URL, everything that came from any is taken as its own.
//
// What it publishes is derived from committed state that may be a moment old, so it can
// say what the stream already holds; the engine takes that as the repeat it is.
//
// [compare] is pure; the rest asks, publishes and counts. A [Reconciler] has one goroutine
// for each group while [Reconciler.Run] runs.
package reconcile

// Package lifeline sees to it that on-call hears of alerts when correlation does not get there:
// fail open. It pages what was received as it was received, and takes that back when the real page
// has been sent. It also says, outward, that the whole path works (heartbeat), and inward, that a
// sender has gone silent (watchdog).
//
//	                    the path of alerts
//	request ─► decode ─┬──────────► stream ─► engine ─► store ─► outbox ─► pager ─┬─► receivers
//	                   │               │         │         │                      │
//	                   │ what was      │ what is │ how far │ what is due and      │
//	                   │ taken, or     │ behind  │ it has  │ was not decided,     │
//	                   ▼ refused       ▼         ▼ come    ▼ or not delivered     │
//	                 ledger ─────────► looked at once a second ─► desk ───────────┘
//	                 (memory)                                    (memory)
//
// # What it watches
//
// Alerts. The intake tells the ledger of every firing alert, and whether the stream took it. One
// that correlation has applied and placed is covered, and forgotten here. One that is not, when it is as old as the hold, the
// settling time and [Grace] together, is paged with those of its group, if the engine would find it worth a
// page. What the stream holds from before the start, or from other replicas, is read from it.
//
// Incidents. The rows say when the page of an incident is due. One that is overdue is paged as
// far as it is known.
//
// Pages. One that no receiver took for [undeliveredAfter] goes to the fallback, unless that is who refuses it.
//
// # What it promises
//
// No disk, no stream and no engine is needed to page an alert that the intake has seen: the ledger
// is memory, and so is the desk (package page). Rows are asked for what they know already, and when
// they do not answer, the page goes out.
//
// One page for each group of alerts, as its sender groups them, with a key of its own: edited when more comes,
// not repeated, and resolved when every alert of it was paged, found not to be worth a page, or ended.
//
// # Bounds
//
// The ledger has [maxAlerts]; beyond, alerts are counted and the count is paged. There are [maxGroups]
// pages of groups at a time; what is beyond is one more page. An alert that was refused and is not
// sent again is forgotten after [forgetAfter]. After a restart the ledger is empty: what the stream
// holds is read from it, what was refused comes again with the sender's next try.
//
// It does not see: requests that were not decoded (no place, too large, no secret), and alerts
// that the engine makes of failed health checks, until they are in an incident.
package lifeline

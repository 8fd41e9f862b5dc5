// Package store keeps what the engine decided in an embedded badger database:
// its state, the stream position that the state stands for, and the outbox of
// pages. It is the only importer of badger.
//
// # What it promises
//
// Atomic: after a crash at any moment the database holds the rows of whole
// [Store.Commit] calls and the position of the last of them, in order and
// without gaps. A commit too large for one badger transaction is staged first
// and then carried out as one; see staged.go.
//
// Durable on demand: a commit with sync, and every delivery record, is on disk
// when the call returns. What was committed without sync may be lost by a power
// failure, from the end only, never by the death of the process; the stream
// delivers it again. A page is visible in [Store.PendingPages] only once it is on
// disk, so nobody is called for a decision that a restart would not remember.
//
// Reads come from committed state, each from one snapshot, and say the revision
// (= stream position) that they were read at. They run beside commits and do not
// wait for them, but for the moment in which a staged commit is carried out.
//
// Rows that the engine has archived become history: they are no longer part of
// [Store.Load], stay readable, and expire after [Options.Retention].
//
// Everything is safe for concurrent use. Commit and RecordDelivery exclude each
// other. No call keeps what it was given, and what is returned belongs to the caller.
//
// # When the disk is full or breaks
//
// Badger writes through memory maps, where a full disk is no error but a fatal
// signal. So commits are refused with [ErrNoSpace] while less than
// [Options.MinFreeBytes] are free, and succeed again when there is room. A write
// that badger itself fails leaves it in an unknown state: from then on every call
// fails with [ErrFailed], and a restart recovers.
//
// # Keys
//
// A key is a table's letter and then, in an order-preserving encoding:
//
//	f                        version of this layout
//	m                        Meta
//	t                        the topology in force
//	a start fingerprint      live alerts
//	A start fingerprint      archived alerts, expiring
//	i number                 live incidents
//	I number                 archived incidents, expiring
//	c pos                    live changes
//	C pos                    archived changes, expiring
//	k number                 action items to be done, and those that ended lately
//	K number                 archived action items, expiring
//	u number                 windows of maintenance that are not over
//	U number                 those that are, expiring
//	b number                 incidents that ended, as they are remembered
//	h namespace name check   health checks
//	s key                    learned figures
//	r revision number        index: incidents by the revision of their last change
//	x incident alert         index: alerts of an incident
//	o incident seq           pages
//	d incident seq           how far each page has come
//	p pos n                  index: pages that are not done, oldest decision first
//	z key n                  parts of a value that is too large for one entry
//	w n                      staging area of a large commit
//	W                        the staging area is complete and must be carried out
//
// Values are messages of headwater.store.v1. They are at most 256 KiB and stay
// inside badger's tree: its value log is a second file that a power failure may
// tear apart from the first, and needs collecting; without it there is one log
// and nothing to collect.
package store

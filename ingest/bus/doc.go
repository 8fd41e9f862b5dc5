// Package bus carries signals through NATS JetStream: one ordered, durable
// stream per environment, which is the only way into the engine. It is the only
// package that knows NATS.
//
// # What it promises
//
// Durable. [Bus.Publish] returns nil after the stream has stored the signal, and
// the embedded server syncs each message to disk before it says so. With an
// external server the sync policy is its operator's: set sync_interval to always
// there, or accept that a power cut may cost what was acknowledged last.
//
// Ordered. The stream's sequence number is the position. [Bus.Follow] delivers
// every entry after a given position, each once, in order, and blocks on the
// channel that it writes to. The server keeps no state for it that matters: the
// position belongs to whoever keeps the state that the entries produced.
//
// At least once. A Publish that failed may have stored the signal all the same,
// so a repeated signal can be in the stream twice, and both Alertmanagers of a pair
// tell everything. The engine is idempotent; only repeats of what has a time of its
// own are folded here, within [DuplicateWindow], and alerts never are.
//
// # Bounds
//
// The stream holds entries for Options.MaxAge and up to Options.MaxBytes. At
// either limit the oldest entries go, applied or not: refusing new alerts until
// old ones expire would be the worse loss. What was applied is in the store,
// which is the record from then on. A follower that lost entries this way says
// so (an error in the log, headwater_bus_missed_entries_total) and goes on with
// the first that is left. Compare headwater_bus_followed_position with
// headwater_bus_stream_first_position to see it coming.
//
// A batch that does not fit into one message is split in halves until its parts
// do; a single alert that does not is refused with [ErrTooLarge], after all
// others were stored.
//
// Publish never queues: it waits for the server, at most Options.PublishTimeout,
// and everything that is worth a retry is [ErrUnavailable]. Follow buffers at
// most [fetchMessages] entries and about two fetches' bytes.
//
// The dead-letter stream keeps bodies that could not be decoded, bounded in age
// and size, oldest first to go.
//
// # The inbox
//
// An external server has a third stream, where others publish what they would post
// otherwise ([Bus.Receive]). It keeps a message until it was taken, at most Options.MaxAge, and refuses
// more than 256 MiB of them: a publisher that gets no acknowledgement has its message still.
//
// # A full disk
//
// When the embedded server cannot write it stops writing for good, until it is
// started anew. Publishing then fails at once with the cause. The bus tries the
// disk every few seconds and starts the server again by itself once there is room.
package bus

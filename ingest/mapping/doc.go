// Package mapping turns JSON events of any shape into signals, by expressions in CEL (the
// Common Expression Language, cel.dev) that an operator wrote.
//
// It is pure: the same mapping, body and time of arrival give the same signals.
// [Compile] finds every mistake that can be found without an event, each with its
// key, line and column; [Mapping.Signals] finds the rest, and names the event and the key.
//
// An expression sees:
//
//	body      the JSON value that was sent
//	event     one event: the body itself, or an element of the list that `each` yields
//	ce        attributes of the CloudEvent that carried it, by name; else empty
//	received  when it arrived
//
// with CEL's standard functions, its string extensions and optional values: event.?host
// is absent when there is no host, event.?host.orValue("none") has a default. What is
// absent, null or empty is as good as not mapped. A text may come of a text, a number, a
// truth value or a time; a time of an RFC 3339 text or of Unix seconds or milliseconds.
//
// One bad event does not cost the others: a [*RejectedError] beside the signals counts
// and describes it.
//
// # Bounds
//
// A body holds at most [MaxEvents] events. Each evaluation may cost [MaxCost] in CEL's
// units, about that many steps, and is broken off beyond. Nesting is bounded as in package body.
//
// A Mapping is immutable and safe for concurrent use.
package mapping

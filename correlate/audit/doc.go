// Package audit proves, or disproves, that nothing was swallowed: each alert ended in a page
// or in a written reason, and each page in its resolve.
//
// It is given what is kept, in this order, and works out a [Report]:
//
//	store    incidents, each with its pages and their deliveries   [Audit.Incident]
//	store    alerts                                                [Audit.Alert]
//	stream   entries                                               [Audit.Entry]
//
// The stream is what senders were promised; the rows are what the engine made of it; the
// deliveries are what receivers took. An alert that is in the stream and in no row is lost, one
// that is in a row without a page or a reason is swallowed, and a page that no receiver took
// covers nobody.
//
// # What is judged, and when
//
// The window chooses alerts by when they were first seen here, pages by when they were decided,
// and entries by when they were stored. Whether something is late is judged as of [Window.Now]:
// what is still within its bound is no finding. The bound of a page is when the engine said that
// it is due (the hold, or a hold by name with its deadline), and [Rules.Grace] for the way to the
// receiver.
//
// # What it cannot see
//
// A repeat that a receiver got because the process died between sending and noting it down; its
// deduplication key folds it. Entries that the stream has dropped at its limits.
//
// The package is pure: no clock, no IO. What it remembers is a few words for each incident of the
// window and eight bytes for each label set, whatever the number of alerts; findings beyond
// [MaxFindings] are counted and not told.
package audit

// Package stats reckons from stored rows how it went: what came in and what was
// paged, how long things took, how often the origin that was named first was right.
// docs/stats.md has each figure in words; the comments here say no more than that.
//
// It is pure: it reads no clock and does no IO, and the same rows give the same
// report, in whatever order they come. A [Tally] holds no rows, but numbers for each
// incident and counts for each label set, receiver and group, all of them bounded;
// what a bound left out is said in [Report.Notes].
package stats

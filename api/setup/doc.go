// Package setup finds what is amiss with a set-up: of the map, of what comes in, of where
// pages go. [Examine] is a function of a [State], which somebody else gathered: it reads
// no clock and asks nobody, so that a finding can be told from a recorded state as well.
//
// Each [Finding] says what was seen, why it matters and what to do, with a text to paste
// where there is one. A proposed relabelling rule has been run over the alerts that were
// seen; a proposed dependency is one that the same pair asked for several times. Nothing
// is found from a single coincidence, and what cannot be known is a note, not a finding.
package setup

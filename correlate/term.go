package correlate

// Term is one part of the score by which origins are ranked. Scores are sums, so what
// speaks for one candidate and against another can be told term by term;
// docs/formulas.md leads from each to the function that computes it.
type Term uint8

// The terms. Their numbers are stored.
const (
	TermUnspecified Term = iota
	TermSaid             // an operator's word, which leads whatever the evidence
	TermWay              // the alerts that the candidate explains, less the steps that the failure had to take to them and the silence on the way
	TermOrder            // when the alerts began, and pauses between them
	TermClass            // what kinds of symptoms they are, and whose
	TermChange           // what was done to it before
	TermHealth           // what its health checks say
	TermQuiet            // what depends on it and shows nothing
	TermLoad             // a surge that its callers report
)

var termNames = [...]string{"unspecified", "said", "way", "order", "class", "change", "health", "quiet", "load"}

// String returns the lower-case name.
func (t Term) String() string { return nameOf(termNames[:], int(t)) }

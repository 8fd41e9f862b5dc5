package correlate

import "time"

// PageKey names one page: the n-th of an incident.
type PageKey struct {
	Incident string
	Seq      uint64
}

// Key returns the page's name.
func (p *Page) Key() PageKey { return PageKey{Incident: p.Incident.ID, Seq: p.Seq} }

// Delivery is how far one page has come at one integration of one receiver. It
// is not part of the engine's state: whether a receiver answered is not in the stream.
type Delivery struct {
	Receiver    string // as named in `receivers:`
	Integration string // "slack", "pagerduty", …
	Index       int    // among the receiver's integrations of that name
	Attempts    int
	SentAt      time.Time // zero until it succeeded
	LastError   string    // of the latest failed attempt; empty after success
	// Skipped says why the page was not sent there at all; empty when it was or will be.
	Skipped string
	// Ring is the page's [Page.Ring] when it rang there; 0: it was an edit, a resolve or a notice there.
	Ring int
	// Thread is what the integration needs to edit its message later (a Slack timestamp, say); may be empty.
	Thread string
}

// OutboxEntry is one page and its deliveries. Pages of one incident are delivered in the order of Seq.
type OutboxEntry struct {
	Page       *Page
	Deliveries []Delivery
	// Done: nothing more will be sent for this page.
	Done bool
	// Superseded: an update that a later page of the incident made needless before it was sent.
	Superseded bool
}

package page

import (
	"context"

	"github.com/headwater-sre/headwater/correlate"
)

// Outbox is where pages wait and where their delivery is recorded. All methods
// may be called at the same time. What they return is the caller's.
type Outbox interface {
	// Revision rises whenever pages may have been added.
	Revision() uint64
	// Changed returns a channel that is closed once Revision exceeds after.
	Changed(after uint64) <-chan struct{}
	// PendingPages returns at most limit pages that are not done, oldest decision
	// first, and only those whose decision would survive a crash.
	PendingPages(ctx context.Context, limit int) ([]*correlate.OutboxEntry, error)
	// Pages returns all pages of an incident, done ones included, in the order of
	// Seq. Pages that PendingPages has not listed are left alone.
	Pages(ctx context.Context, incident string) ([]*correlate.OutboxEntry, error)
	// RecordDelivery replaces the delivery records of one page. When it returns nil
	// the record survives a crash. It is called for one page at a time.
	RecordDelivery(ctx context.Context, key correlate.PageKey, deliveries []correlate.Delivery, done, superseded bool) error
}

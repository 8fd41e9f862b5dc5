package checker

import (
	"github.com/headwater-sre/headwater/correlate"
)

// maxWaiting is how many results of one check wait while the stream is away.
const maxWaiting = 4

// maxBatch bounds one publication.
const maxBatch = 1000

// outbox holds results until they are published, in their order.
type outbox struct {
	waiting []*correlate.HealthResult // nil: dropped
	of      map[Key][]*correlate.HealthResult
}

func newOutbox() *outbox { return &outbox{of: map[Key][]*correlate.HealthResult{}} }

// add puts r last, or has it stand for the one before it when that says the same. It
// reports whether an older one had to make room.
func (b *outbox) add(r correlate.HealthResult) (dropped bool) {
	k := Key{r.Service, r.Check}
	mine := b.of[k]
	if n := len(mine); n > 0 && mine[n-1].Status == r.Status {
		r.Count += max(mine[n-1].Count, 1)
		*mine[n-1] = r
		return false
	}
	if len(mine) == maxWaiting {
		b.drop(mine[0])
		mine, dropped = mine[1:], true
	}
	b.of[k] = append(mine, &r)
	b.waiting = append(b.waiting, &r)
	return dropped
}

func (b *outbox) drop(r *correlate.HealthResult) {
	for i := range b.waiting {
		if b.waiting[i] == r {
			b.waiting[i] = nil
			return
		}
	}
}

// take empties the outbox, up to a batch.
func (b *outbox) take() (batch []correlate.HealthResult) {
	n := 0
	for ; n < len(b.waiting) && len(batch) < maxBatch; n++ {
		r := b.waiting[n]
		if r == nil {
			continue
		}
		batch = append(batch, *r)
		k := Key{r.Service, r.Check}
		if b.of[k] = b.of[k][1:]; len(b.of[k]) == 0 {
			delete(b.of, k)
		}
	}
	clear(b.waiting[:n])
	b.waiting = b.waiting[n:]
	return batch
}

func (b *outbox) empty() bool { return len(b.of) == 0 }

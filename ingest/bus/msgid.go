package bus

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"slices"
	"time"

	"github.com/nats-io/nuid"

	"github.com/headwater-sre/headwater/correlate"
)

// messageID is the same for signals that say the same, and unlike any other
// otherwise.
//
// Alerts are the same when the same instances are in the same state: both
// Alertmanagers of a pair send them, and either may do so twice. What differs
// between the twins (the sender's URL, the order, values in annotations) is left
// out, and so is everything about the request itself.
//
// What carries no time of its own may be said twice and meant twice: two equal
// notes are two notes, two equal health results two failures in a row. Such
// signals get an id of their own. So do topology reports: going from one version
// to another and back within the window must end where it began.
func messageID(sig correlate.Signal) string {
	d := newDigest()
	switch s := sig.(type) {
	case *correlate.AlertBatch:
		d.text("alerts", s.Source, s.Receiver, s.GroupKey).number(int64(s.Truncated))
		for _, a := range byInstance(s.Alerts) {
			d.text(a.Fingerprint).number(int64(a.Status)).time(a.StartsAt).time(a.EndsAt)
		}
	case *correlate.HealthBatch:
		d.text("health", s.Source)
		for i := range s.Results {
			r := &s.Results[i]
			if r.At.IsZero() {
				return nuid.Next()
			}
			d.text(r.Service.Namespace, r.Service.Name, r.Check).number(int64(r.Status)).time(r.At).number(int64(r.FailureThreshold))
		}
	case *correlate.Change:
		if s.At.IsZero() {
			return nuid.Next()
		}
		d.text("change", s.Source, s.Service.Namespace, s.Service.Name, s.Kind, s.Summary, s.Link).time(s.At)
	default:
		return nuid.Next()
	}
	return d.sum()
}

func byInstance(alerts []correlate.Alert) []*correlate.Alert {
	sorted := make([]*correlate.Alert, len(alerts))
	for i := range alerts {
		sorted[i] = &alerts[i]
	}
	slices.SortFunc(sorted, func(a, b *correlate.Alert) int {
		return cmp.Or(cmp.Compare(a.Fingerprint, b.Fingerprint), a.StartsAt.Compare(b.StartsAt),
			cmp.Compare(a.Status, b.Status), a.EndsAt.Compare(b.EndsAt))
	})
	return sorted
}

// digest hashes fields so that no two sequences of them give the same bytes.
type digest struct {
	h   hash.Hash
	buf []byte
}

func newDigest() *digest { return &digest{h: sha256.New()} }

func (d *digest) text(fields ...string) *digest {
	for _, s := range fields {
		d.buf = append(binary.AppendUvarint(d.buf[:0], uint64(len(s))), s...)
		d.h.Write(d.buf)
	}
	return d
}

func (d *digest) number(n int64) *digest {
	d.buf = binary.AppendVarint(d.buf[:0], n)
	d.h.Write(d.buf)
	return d
}

func (d *digest) time(t time.Time) *digest { return d.number(toNano(t)) }

// sum is short, since the stream remembers the ids of a whole window; 128 bits
// leave no chance of a collision within one.
func (d *digest) sum() string { return base64.RawURLEncoding.EncodeToString(d.h.Sum(nil)[:16]) }

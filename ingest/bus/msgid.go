package bus

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"time"

	"github.com/nats-io/nuid"

	"github.com/headwater-sre/headwater/correlate"
)

// messageID is the same for signals that say the same about a time of their own, and
// unlike any other otherwise. Of those the second tells nothing, however much was said
// between the two.
//
// What carries no time of its own may be said twice and meant twice: two equal
// notes are two notes, two equal health results two failures in a row. Such
// signals get an id of their own. So do topology reports: going from one version
// to another and back within the window must end where it began.
//
// And so do alerts, for the same reason. Two Alertmanagers of a pair tell one story
// at two paces. When the first has said "fires" and "ended", a late "fires" of the
// second revives the alert, and then the second's "ended", in the very words of the
// first, is the last that anybody says of it: folded with the first one, the alert
// would fire for ever. Repeated batches cost room here and change nothing in the engine.
func messageID(sig correlate.Signal) string {
	d := newDigest()
	switch s := sig.(type) {
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

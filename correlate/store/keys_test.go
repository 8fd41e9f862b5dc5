package store

import (
	"bytes"
	"cmp"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
)

func TestKeysSortAsTheirNames(t *testing.T) {
	text := rapid.StringOfN(rapid.RuneFrom([]rune{0, 1, 'a', 'b', 0xff}), 0, 5, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		// Something follows the text in most keys; it must not change the order of different texts.
		ka := append(appendText(nil, a), text.Draw(t, "rest of a")...)
		kb := append(appendText(nil, b), text.Draw(t, "rest of b")...)
		if a != b && cmp.Compare(a, b) != bytes.Compare(ka, kb) {
			t.Fatalf("%q and %q sort as %q and %q", a, b, ka, kb)
		}
		if head, rest := cutText(ka); !bytes.Equal(head, appendText(nil, a)) || len(head)+len(rest) != len(ka) {
			t.Fatalf("cutText(%q) = %q, %q", ka, head, rest)
		}
	})
}

func TestAlertKeysSortByStartBeforeTheEpochToo(t *testing.T) {
	starts := []int64{math.MinInt64, -5, -1, 0, 1, 7, math.MaxInt64}
	for i := 1; i < len(starts); i++ {
		a := alertSuffix(correlate.AlertID{Fingerprint: "z", StartsAt: starts[i-1]})
		b := alertSuffix(correlate.AlertID{Fingerprint: "a", StartsAt: starts[i]})
		if bytes.Compare(a, b) >= 0 {
			t.Errorf("%d does not sort before %d", starts[i-1], starts[i])
		}
	}
}

func TestALongNameIsCutButNotConfused(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	a, b := appendText(nil, long+"a"), appendText(nil, long+"b")
	if len(a) > maxKeyText+2 || bytes.Equal(a, b) {
		t.Errorf("keys of %d and %d bytes, equal: %v", len(a), len(b), bytes.Equal(a, b))
	}
}

func TestOverflowKeysNameTheirOwner(t *testing.T) {
	for _, key := range [][]byte{keyTopology, inTable(tablePage, pageSuffix(correlate.PageKey{Incident: "INC-\x00", Seq: 3}))} {
		if owner, n := overflowOwner(overflowKey(key, 7)); !bytes.Equal(owner, key) || n != 7 {
			t.Errorf("owner of part 7 of %q: %q, %d", key, owner, n)
		}
	}
}

package correlate

import (
	"cmp"
	"math/bits"
	"slices"
)

// itemSet is a set of a scene's alerts.
type itemSet []uint64

func newItemSet(n int) itemSet { return make(itemSet, (n+63)/64) }

func (b itemSet) has(i int32) bool { return b[i>>6]&(1<<(i&63)) != 0 }
func (b itemSet) add(i int32)      { b[i>>6] |= 1 << (i & 63) }
func (b itemSet) remove(i int32)   { b[i>>6] &^= 1 << (i & 63) }

// removeBelow removes all that come before i.
func (b itemSet) removeBelow(i int32) {
	clear(b[:i>>6])
	b[i>>6] &^= 1<<(i&63) - 1
}

func (b itemSet) hasAny(list []int32) bool {
	for _, k := range list {
		if b.has(k) {
			return true
		}
	}
	return false
}

func (b itemSet) intersects(o itemSet) bool {
	for i := range b {
		if b[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

func (b itemSet) subtract(o itemSet) {
	for i := range b {
		b[i] &^= o[i]
	}
}

// unite adds all of o.
func (b itemSet) unite(o itemSet) {
	for i := range b {
		b[i] |= o[i]
	}
}

func (b itemSet) union(o itemSet) itemSet {
	u := slices.Clone(b)
	for i := range u {
		u[i] |= o[i]
	}
	return u
}

// key tells sets of one scene apart.
func (b itemSet) key() string {
	out := make([]byte, 0, 8*len(b))
	for _, w := range b {
		for ; len(out)%8 != 7; w >>= 8 {
			out = append(out, byte(w))
		}
		out = append(out, byte(w))
	}
	return string(out)
}

func (b itemSet) equal(o itemSet) bool { return slices.Equal(b, o) }

func (b itemSet) count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

func (b itemSet) each(f func(int32)) {
	for i := range b {
		for w := b[i]; w != 0; w &= w - 1 {
			f(int32(i<<6 + bits.TrailingZeros64(w)))
		}
	}
}

func (b itemSet) list() []int32 {
	var out []int32
	b.each(func(i int32) { out = append(out, i) })
	return out
}

func compareOnset(s *scene) func(a, b int32) int {
	return func(a, b int32) int { return cmp.Or(cmp.Compare(s.onset[a], s.onset[b]), cmp.Compare(a, b)) }
}

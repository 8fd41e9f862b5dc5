package topology

import "math/bits"

// slotSet is a set of slots.
type slotSet [maxSlots / 64]uint64

func (s *slotSet) add(i slot)      { s[i/64] |= 1 << (i % 64) }
func (s *slotSet) has(i slot) bool { return s[i/64]&(1<<(i%64)) != 0 }

func (s slotSet) and(o *slotSet) slotSet {
	for w := range s {
		s[w] &= o[w]
	}
	return s
}

func (s slotSet) without(o *slotSet) slotSet {
	for w := range s {
		s[w] &^= o[w]
	}
	return s
}

func (s *slotSet) empty() bool { return *s == slotSet{} }

// next removes and returns the first slot.
func (s *slotSet) next() (slot, bool) {
	for w := range s {
		if s[w] != 0 {
			bit := bits.TrailingZeros64(s[w])
			s[w] &= s[w] - 1
			return slot(w*64 + bit), true
		}
	}
	return 0, false
}

// evidence is a label set sorted by the rules: one pass over the map, whose order then
// no longer matters.
type evidence struct {
	set    slotSet
	values [maxSlots]string
}

func (e *evidence) add(label, value string) {
	i, ok := slots[label]
	if !ok || saysNothing(value) {
		return
	}
	e.set.add(i)
	e.values[i] = value
}

// get is the label's value, empty when it is absent or says nothing.
func (e *evidence) get(i slot) string {
	if e.set.has(i) {
		return e.values[i]
	}
	return ""
}

func (e *evidence) first(of []slot) string {
	for _, i := range of {
		if e.set.has(i) {
			return e.values[i]
		}
	}
	return ""
}

// with returns the slots present that have a role.
func (e *evidence) with(r role) slotSet {
	return e.set.and(roleMask(r))
}

// saysNothing recognises the ways in which exporters write "not known".
func saysNothing(v string) bool {
	switch v {
	case "", "-", "unknown", "none", "None", "<none>", "null", "nil", "N/A", "n/a", "undefined", "unspecified":
		return true
	}
	return false
}

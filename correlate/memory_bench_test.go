package correlate

import (
	"fmt"
	"testing"
)

// The worst that memory can hold: all of it began at the same service and hit 64 others.
func BenchmarkRecall(b *testing.B) {
	services := []string{"db"}
	for n := range maxPastServices - 1 {
		services = append(services, fmt.Sprint("s", n))
	}
	var all []*Incident
	for n := range uint64(maxPast) {
		all = append(all, ended(n+1, int(n%80), services...))
	}
	e := remembering(b, all...)
	now := ended(maxPast+1, 81, services...)
	for b.Loop() {
		e.recall(now)
	}
}

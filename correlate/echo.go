package correlate

import "time"

// This file keeps storms cheap. The hundredth alert of one rule on one service says what the
// second one said: it saturates, see repeatsCount. A scene of more than maxEvidence alerts
// therefore holds representatives, and the others, their echoes, go where the
// representative before them goes. Which alerts stand for others follows from the set
// of alerts, so their order of arrival plays no part. Smaller scenes have no echoes.

const (
	// maxEvidence is how many alerts a scene takes as they are.
	maxEvidence = 640
	// stormEvidence bounds the representatives of one that has more, as far as the number of its sites allows.
	stormEvidence = 400
)

// speaker is what those alerts have in common that can stand for each other.
type speaker struct {
	site  site
	class Class
	bond  uint64
	apart *incident // which the alert must not leave unnoticed
}

// choir tells a scene's alerts from their echoes.
type choir struct {
	of    []int32 // per alert of the scene: whom it rides with, among the representatives
	echos [][]*item
}

// sing divides items, which are by onset, into representatives and echoes: of each speaker as
// many as there is room for; where even two are too many, one of each site and burst.
func (e *Engine) sing(items []*item) ([]*item, choir) {
	speakers, sizes := speakersOf(items, true)
	for _, each := range []int{16, 8, 4, 2} {
		if chosen(sizes, each) <= stormEvidence {
			return choose(items, speakers, sizes, each)
		}
	}
	speakers, sizes = speakersOf(items, false)
	if chosen(sizes, 2) <= stormEvidence {
		return choose(items, speakers, sizes, 2)
	}
	return choose(items, speakers, sizes, 1)
}

// chosen counts the representatives when each speaker has at most so many.
func chosen(sizes []int, each int) int {
	sum := 0
	for _, n := range sizes {
		sum += min(n, each)
	}
	return sum
}

// speakersOf numbers the speakers of items, each burst of one anew, and counts the alerts of each.
func speakersOf(items []*item, classes bool) (speakers []int32, sizes []int) {
	type current struct {
		number int32 // of the burst that goes on
		began  time.Time
	}
	speaking := map[speaker]current{}
	speakers = make([]int32, 0, len(items))
	for _, it := range items {
		v := speaker{site: it.site(), bond: it.state.Bond}
		if classes {
			v.class = it.state.Class
		}
		if it.inc != nil && len(it.inc.row.Apart) > 0 {
			v.apart = it.inc
		}
		now, ok := speaking[v]
		if !ok || it.began.Sub(now.began).Seconds() > gapGrace { // after a pause it is news
			now.number = int32(len(sizes))
			sizes = append(sizes, 0)
		}
		now.began = it.began
		speaking[v] = now
		sizes[now.number]++
		speakers = append(speakers, now.number)
	}
	return speakers, sizes
}

// choose keeps so many alerts of each speaker: the first ones and the last, so that its
// beginning and its end stay known.
func choose(items []*item, speakers []int32, sizes []int, each int) ([]*item, choir) {
	var kept []*item
	var c choir
	seen, latest := make([]int, len(sizes)), make([]int32, len(sizes))
	for i, it := range items {
		v := speakers[i]
		seen[v]++
		if n := seen[v]; n == 1 || n < each || n == sizes[v] && each > 1 {
			latest[v] = int32(len(kept))
			kept, c.echos = append(kept, it), append(c.echos, nil)
		} else {
			c.echos[latest[v]] = append(c.echos[latest[v]], it)
		}
		c.of = append(c.of, latest[v])
	}
	return kept, c
}

// with calls f for alert k and its echoes.
func (s *scene) with(k int32, f func(*item)) {
	f(s.items[k])
	if s.choir.echos != nil {
		for _, it := range s.choir.echos[k] {
			f(it)
		}
	}
}

// stormy: there are echoes. So much is at hand that fewer ways to explain it are tried.
func (s *scene) stormy() bool { return s.choir.of != nil }

// tries is how many of n tries are made.
func (s *scene) tries(n int) int {
	if s.stormy() {
		return max(1, n/stormTries)
	}
	return n
}

const (
	stormTries      = 8  // one of so many
	stormCandidates = 8  // origins tried in turn for the best tree
	stormRanked     = 10 // origins ranked
)

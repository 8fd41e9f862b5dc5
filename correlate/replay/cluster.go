package replay

import "math"

// A contingency counts alerts by the fault that caused them (row) and the
// incident that holds them (column). Cells keep the order in which they came
// first, so that sums over them do not depend on map order.
type contingency struct {
	index map[cell]int
	cells []cell
	count []float64
	rows  tally
	cols  tally
	n     float64
}

type cell struct{ row, col string }

// tally is a count per key, keys in order of first mention.
type tally struct {
	index map[string]int
	count []float64
}

func (t *tally) add(key string) {
	i, ok := t.index[key]
	if !ok {
		if t.index == nil {
			t.index = map[string]int{}
		}
		i = len(t.count)
		t.index[key] = i
		t.count = append(t.count, 0)
	}
	t.count[i]++
}

func (t *tally) of(key string) float64 { return t.count[t.index[key]] }

func (c *contingency) add(row, col string) {
	k := cell{row, col}
	i, ok := c.index[k]
	if !ok {
		if c.index == nil {
			c.index = map[cell]int{}
		}
		i = len(c.cells)
		c.index[k] = i
		c.cells = append(c.cells, k)
		c.count = append(c.count, 0)
	}
	c.count[i]++
	c.rows.add(row)
	c.cols.add(col)
	c.n++
}

// pairs is the number of ways to pick two of n.
func pairs(n float64) float64 { return n * (n - 1) / 2 }

func sumPairs(counts []float64) float64 {
	sum := 0.0
	for _, n := range counts {
		sum += pairs(n)
	}
	return sum
}

// pairCounts are the pairs of alerts that are together in both, in the truth,
// and in the incidents.
func (c *contingency) pairCounts() (both, truth, incidents float64) {
	return sumPairs(c.count), sumPairs(c.rows.count), sumPairs(c.cols.count)
}

// tiny is below any difference that counts of alerts can make.
const tiny = 1e-12

// adjustedRand is the adjusted Rand index (Hubert and Arabie 1985): 1 for the
// same partition, 0 for what chance would do. It needs two alerts.
func (c *contingency) adjustedRand() float64 {
	both, truth, incidents := c.pairCounts()
	expected := truth * incidents / pairs(c.n)
	most := (truth + incidents) / 2
	if math.Abs(most-expected) < tiny {
		return 1
	}
	return (both - expected) / (most - expected)
}

// vMeasure is the harmonic mean of homogeneity and completeness (Rosenberg and
// Hirschberg 2007). It needs one alert.
func (c *contingency) vMeasure() float64 {
	homogeneity := 1 - c.remaining(c.rows, func(k cell) float64 { return c.cols.of(k.col) })
	completeness := 1 - c.remaining(c.cols, func(k cell) float64 { return c.rows.of(k.row) })
	if homogeneity+completeness == 0 {
		return 0
	}
	return 2 * homogeneity * completeness / (homogeneity + completeness)
}

// remaining is the share of the entropy of one side that is left when the other
// side is known; 0 when there is none to begin with.
func (c *contingency) remaining(side tally, given func(cell) float64) float64 {
	entropy, left := 0.0, 0.0
	for _, x := range side.count {
		entropy -= x / c.n * math.Log(x/c.n)
	}
	if entropy < tiny {
		return 0
	}
	for i, k := range c.cells {
		x := c.count[i]
		left -= x / c.n * math.Log(x/given(k))
	}
	return left / entropy
}

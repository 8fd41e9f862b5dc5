package layout

import (
	"cmp"
	"slices"
)

// split makes chains of links that pass layers: one bend in each.
func (d *drawing) split() {
	d.before, d.after = make([][]int, len(d.nodes)), make([][]int, len(d.nodes))
	d.chains = make([][]int, len(d.links))
	for i, l := range d.links {
		chain := []int{l.from}
		for layer := d.layerOf[l.from] + 1; layer < d.layerOf[l.to]; layer++ {
			chain = append(chain, d.newBend(layer))
		}
		chain = append(chain, l.to)
		for k := 1; k < len(chain); k++ {
			a, b := chain[k-1], chain[k]
			d.after[a], d.before[b] = append(d.after[a], b), append(d.before[b], a)
		}
		d.chains[i] = chain
	}
}

func (d *drawing) newBend(layer int) int {
	v := len(d.layerOf)
	d.layerOf = append(d.layerOf, layer)
	d.along, d.across = append(d.along, 0), append(d.across, 0)
	d.before, d.after = append(d.before, nil), append(d.after, nil)
	return v
}

const (
	// maxSweeps bounds the search for an order with few crossings. Most of what can be
	// gained is gained in the first ten.
	maxSweeps = 24
	// patience is how many sweeps in a row may gain nothing.
	patience = 6
)

// order orders the layers so that links cross little: each is sorted by the middle of its
// neighbours in the layer before, then in the one after, to and fro; the best is kept.
func (d *drawing) order() {
	d.slot = make([]int, len(d.layerOf))
	d.firstOrder()
	best, fewest := cloned(d.layers), d.crossings()
	for sweep, idle := 0, 0; sweep < maxSweeps && idle < patience && fewest > 0; sweep++ {
		d.sweep(sweep%2 == 0, sweep%4 >= 2)
		d.transpose()
		idle++
		if n := d.crossings(); n < fewest {
			best, fewest, idle = cloned(d.layers), n, 0
		}
	}
	d.layers = best
	for _, layer := range d.layers {
		d.number(layer)
	}
}

func cloned(layers [][]int) [][]int {
	out := make([][]int, len(layers))
	for i, l := range layers {
		out[i] = slices.Clone(l)
	}
	return out
}

// firstOrder puts vertices into their layers as a search in depth comes to them: what hangs
// together begins side by side, and a tree has no crossings from the start.
func (d *drawing) firstOrder() {
	seen := make([]bool, len(d.layerOf))
	var visit func(v int)
	visit = func(v int) {
		if seen[v] {
			return
		}
		seen[v] = true
		d.layers[d.layerOf[v]] = append(d.layers[d.layerOf[v]], v)
		for _, w := range d.after[v] {
			visit(w)
		}
	}
	for layer := range d.layers {
		for v, l := range d.layerOf {
			if l == layer {
				visit(v)
			}
		}
	}
	for _, layer := range d.layers {
		d.number(layer)
	}
}

func (d *drawing) number(layer []int) {
	for i, v := range layer {
		d.slot[v] = i
	}
}

// sweep sorts one layer after the other by their neighbours in the one just sorted.
// late: of equals those go first that were last.
func (d *drawing) sweep(forward, late bool) {
	for i := range d.layers {
		if forward {
			d.sortBy(d.layers[i], d.before, late)
		} else {
			d.sortBy(d.layers[len(d.layers)-1-i], d.after, late)
		}
	}
}

// sortBy sorts a layer by the mean place of its neighbours. Vertices without any stay where they are.
func (d *drawing) sortBy(layer []int, neighbours [][]int, late bool) {
	mean := make(map[int]float64, len(layer))
	var bound []int
	for _, v := range layer {
		if len(neighbours[v]) == 0 {
			continue
		}
		sum := 0
		for _, w := range neighbours[v] {
			sum += d.slot[w]
		}
		mean[v] = float64(sum) / float64(len(neighbours[v]))
		bound = append(bound, v)
	}
	if late {
		slices.Reverse(bound)
	}
	slices.SortStableFunc(bound, func(a, b int) int { return cmp.Compare(mean[a], mean[b]) })
	for i, v := range layer {
		if len(neighbours[v]) > 0 {
			layer[i], bound = bound[0], bound[1:]
		}
	}
	d.number(layer)
}

// transpose changes neighbours' places as long as that takes crossings away.
func (d *drawing) transpose() {
	for range maxSweeps {
		better := false
		for _, layer := range d.layers {
			for i := 1; i < len(layer); i++ {
				a, b := layer[i-1], layer[i]
				if d.pairCrossings(b, a) < d.pairCrossings(a, b) {
					layer[i-1], layer[i] = b, a
					d.slot[a], d.slot[b] = i, i-1
					better = true
				}
			}
		}
		if !better {
			return
		}
	}
}

// pairCrossings counts how often the links of a cross those of b when a goes before b.
func (d *drawing) pairCrossings(a, b int) int {
	n := 0
	for _, side := range [][][]int{d.before, d.after} {
		for _, x := range side[a] {
			for _, y := range side[b] {
				if d.slot[x] > d.slot[y] {
					n++
				}
			}
		}
	}
	return n
}

// crossings counts those of all links.
func (d *drawing) crossings() int {
	n := 0
	for _, layer := range d.layers {
		n += d.layerCrossings(layer)
	}
	return n
}

// layerCrossings counts those of the links that leave a layer: the inversions among their
// ends, by a tree of sums (W. Barth, M. Jünger, P. Mutzel, Simple and Efficient Bilayer
// Cross Counting, 2002).
func (d *drawing) layerCrossings(layer []int) int {
	var ends []int
	most := 0
	for _, v := range layer {
		from := len(ends)
		for _, w := range d.after[v] {
			ends = append(ends, d.slot[w])
			most = max(most, d.slot[w])
		}
		slices.Sort(ends[from:])
	}
	sums := make([]int, most+2)
	n := 0
	for seen, end := range ends {
		upTo := 0
		for i := end + 1; i > 0; i -= i & -i {
			upTo += sums[i]
		}
		n += seen - upTo
		for i := end + 1; i < len(sums); i += i & -i {
			sums[i]++
		}
	}
	return n
}

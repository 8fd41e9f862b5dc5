package layout

import (
	"cmp"
	"math"
	"slices"
)

// place gives vertices their middles across. Vertices are aligned to blocks that stand on
// one line, and blocks are pushed together, from each of the four corners; a vertex comes
// to the mean of the two middle ones of its four places. As each of the four keeps the
// distances within a layer, so does that.
func (d *drawing) place() {
	d.at = make([]float64, len(d.layerOf))
	if len(d.layerOf) == 0 {
		return
	}
	barred := d.conflicts()
	var all [4][]float64
	for i := range all {
		all[i] = d.aligned(i&1 != 0, i&2 != 0, barred)
	}
	d.moveTogether(all[:])
	for v := range d.at {
		four := []float64{all[0][v], all[1][v], all[2][v], all[3][v]}
		slices.Sort(four)
		d.at[v] = (four[1] + four[2]) / 2
	}
	d.settle()
}

// settle moves the picture to begin at 0, and to whole numbers. Two that are apart by a gap
// still are, but for one unit of it.
func (d *drawing) settle() {
	least, _ := d.extent(d.at)
	for v := range d.at {
		d.at[v] = math.Round(d.at[v] - least)
	}
}

// extent is from where to where a picture goes, across.
func (d *drawing) extent(at []float64) (least, most float64) {
	least, most = math.Inf(1), math.Inf(-1)
	for v, x := range at {
		least, most = min(least, x-d.across[v]/2), max(most, x+d.across[v]/2)
	}
	return least, most
}

// moveTogether moves the four pictures onto the narrowest: those that were pushed to the
// start by their starts, those that were pushed to the end by their ends.
func (d *drawing) moveTogether(all [][]float64) {
	var from, to float64
	width := math.Inf(1)
	for _, at := range all {
		if a, b := d.extent(at); b-a < width {
			from, to, width = a, b, b-a
		}
	}
	for i, at := range all {
		a, b := d.extent(at)
		by := from - a
		if i&2 != 0 {
			by = to - b
		}
		for v := range at {
			at[v] += by
		}
	}
}

// conflicts are the links between layers that cross one between two bends: long edges are
// to be straight, so those give way.
func (d *drawing) conflicts() map[[2]int]bool {
	barred := map[[2]int]bool{}
	for i := 1; i < len(d.layers); i++ {
		layer, from, done := d.layers[i], 0, 0
		for k, v := range layer {
			to, inner := len(d.layers[i-1]), d.innerBefore(v)
			if inner >= 0 {
				to = d.slot[inner]
			}
			if inner < 0 && k < len(layer)-1 {
				continue
			}
			for _, u := range layer[done : k+1] {
				for _, w := range d.before[u] {
					if s := d.slot[w]; (s < from || s > to) && (!d.bend(u) || !d.bend(w)) {
						barred[[2]int{w, u}] = true
					}
				}
			}
			done, from = k+1, to
		}
	}
	return barred
}

// innerBefore is the bend that leads to v when v is one; -1: it is none, or nothing does.
func (d *drawing) innerBefore(v int) int {
	if d.bend(v) && len(d.before[v]) == 1 && d.bend(d.before[v][0]) {
		return d.before[v][0]
	}
	return -1
}

// aligned is one of the four pictures: backward takes the layers from the last on, mirrored
// each of them from its end.
func (d *drawing) aligned(backward, mirrored bool, barred map[[2]int]bool) []float64 {
	layers, neighbours := cloned(d.layers), d.before
	if backward {
		slices.Reverse(layers)
		neighbours = d.after
	}
	slot := slices.Clone(d.slot)
	if mirrored {
		for _, layer := range layers {
			slices.Reverse(layer)
			for i, v := range layer {
				slot[v] = i
			}
		}
	}
	at := d.compact(layers, align(layers, neighbours, slot, barred))
	if mirrored {
		for v := range at {
			at[v] = -at[v]
		}
	}
	return at
}

// align puts each vertex on a line with the middle one of its neighbours, where no line
// crosses one before. It returns the first vertex of each one's line.
func align(layers, neighbours [][]int, slot []int, barred map[[2]int]bool) (root []int) {
	root = make([]int, len(slot))
	for v := range root {
		root[v] = v
	}
	for _, layer := range layers {
		last := -1
		for _, v := range layer {
			near := slices.Clone(neighbours[v])
			slices.SortFunc(near, func(a, b int) int { return cmp.Compare(slot[a], slot[b]) })
			for m := max(len(near)-1, 0) / 2; len(near) > 0 && m <= len(near)/2; m++ {
				w := near[m]
				if slot[w] <= last || barred[[2]int{w, v}] || barred[[2]int{v, w}] {
					continue
				}
				root[v], last = root[w], slot[w]
				break
			}
		}
	}
	return root
}

// compact pushes lines together as far as the sizes of what stands on them allow.
func (d *drawing) compact(layers [][]int, root []int) []float64 {
	type gap struct {
		to   int
		size float64
	}
	after, before := make([][]gap, len(root)), make([][]gap, len(root))
	for _, layer := range layers {
		for i := 1; i < len(layer); i++ {
			u, v := layer[i-1], layer[i]
			size := d.distance(u, v)
			after[root[u]] = append(after[root[u]], gap{root[v], size})
			before[root[v]] = append(before[root[v]], gap{root[u], size})
		}
	}
	missing := make([]int, len(root))
	var order []int
	for v := range root {
		if missing[v] = len(before[v]); root[v] == v && missing[v] == 0 {
			order = append(order, v)
		}
	}
	at := make([]float64, len(root))
	for i := 0; i < len(order); i++ {
		for _, g := range after[order[i]] {
			at[g.to] = max(at[g.to], at[order[i]]+g.size)
			if missing[g.to]--; missing[g.to] == 0 {
				order = append(order, g.to)
			}
		}
	}
	// Lines that have room behind them take it, so that they come near to what they lead to.
	for _, v := range slices.Backward(order) {
		room := math.Inf(1)
		for _, g := range after[v] {
			room = min(room, at[g.to]-g.size)
		}
		if !math.IsInf(room, 1) {
			at[v] = max(at[v], room)
		}
	}
	for v, r := range root {
		at[v] = at[r]
	}
	return at
}

// distance is the least one of the middles of two neighbours in a layer.
func (d *drawing) distance(u, v int) float64 {
	return (d.across[u]+d.across[v])/2 + (d.gap(u)+d.gap(v))/2
}

func (d *drawing) gap(v int) float64 {
	if d.bend(v) {
		return d.options.EdgeGap
	}
	return d.options.NodeGap
}

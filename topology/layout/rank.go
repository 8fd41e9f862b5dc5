package layout

import "slices"

// breakCycles turns links round so that none closes a cycle: those that lead back to where
// a search in depth came from, which begins at nodes that nothing leads to.
func (d *drawing) breakCycles() {
	const (
		unseen = iota
		open   // the search came through it
		done
	)
	state := make([]int, len(d.nodes))
	out := make([][]int, len(d.nodes)) // links
	led := make([]bool, len(d.nodes))
	for i, l := range d.links {
		out[l.from] = append(out[l.from], i)
		led[l.to] = true
	}
	var search func(v int)
	search = func(v int) {
		state[v] = open
		for _, i := range out[v] {
			switch l := &d.links[i]; state[l.to] {
			case unseen:
				search(l.to)
			case open:
				l.turned = true
			}
		}
		state[v] = done
	}
	for _, first := range []bool{true, false} {
		for v := range d.nodes {
			if state[v] == unseen && (!first || !led[v]) {
				search(v)
			}
		}
	}
	for i := range d.links {
		if l := &d.links[i]; l.turned {
			l.from, l.to = l.to, l.from
		}
	}
}

// rank gives nodes their layers: as early as they can be, then moved to where their links
// are shortest. Links then lead to later layers, and every layer has a node.
func (d *drawing) rank() {
	in, out := make([][]link, len(d.nodes)), make([][]link, len(d.nodes))
	for _, l := range d.links {
		out[l.from] = append(out[l.from], l)
		in[l.to] = append(in[l.to], l)
	}
	order := sorted(in, out)
	d.layerOf = make([]int, len(d.nodes))
	for _, v := range order {
		d.layerOf[v] = d.earliest(in[v])
	}
	// Each move makes the links shorter, or as long and a node later: so it ends. The
	// bound is for pictures that nobody could read.
	for range 2 * len(order) {
		moved := false
		for _, v := range slices.Backward(order) {
			if layer := d.shortest(v, in[v], out[v]); layer != d.layerOf[v] {
				d.layerOf[v], moved = layer, true
			}
		}
		if !moved {
			break
		}
	}
	d.closeRanks()
}

// sorted is the nodes in an order in which links lead forward.
func sorted(in, out [][]link) []int {
	var order []int
	missing := make([]int, len(in))
	for v := range in {
		if missing[v] = len(in[v]); missing[v] == 0 {
			order = append(order, v)
		}
	}
	for i := 0; i < len(order); i++ {
		for _, l := range out[order[i]] {
			if missing[l.to]--; missing[l.to] == 0 {
				order = append(order, l.to)
			}
		}
	}
	return order
}

func (d *drawing) earliest(in []link) int {
	layer := 0
	for _, l := range in {
		layer = max(layer, d.layerOf[l.from]+1)
	}
	return layer
}

// shortest is the layer in which v's links are shortest: the first or the last that it can
// have, by whether more pulls it back or on.
func (d *drawing) shortest(v int, in, out []link) int {
	pull := 0
	for _, l := range in {
		pull -= l.weight
	}
	for _, l := range out {
		pull += l.weight
	}
	switch {
	case len(out) == 0 && len(in) == 0:
		return d.layerOf[v]
	case pull < 0 || len(out) == 0:
		return d.earliest(in)
	}
	latest := d.layerOf[out[0].to] - 1
	for _, l := range out {
		latest = min(latest, d.layerOf[l.to]-1)
	}
	return latest
}

// closeRanks takes out layers that nothing is in.
func (d *drawing) closeRanks() {
	used := slices.Clone(d.layerOf)
	slices.Sort(used)
	used = slices.Compact(used)
	for v, layer := range d.layerOf {
		d.layerOf[v], _ = slices.BinarySearch(used, layer)
	}
	d.layers = make([][]int, len(used))
}

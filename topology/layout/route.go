package layout

import (
	"cmp"
	"math"
	"slices"
)

// spread is the part of a box's side that links may end on, and portGap the distance at
// which they do when there is room.
const (
	spread  = 0.6
	portGap = 9
)

// picture gives everything its place. A link crosses the space between two layers on a
// line and the layers themselves straight on, where a bend has kept a lane free: so none
// touches a box but at its ends.
func (d *drawing) picture(nodes, edges int) Picture {
	p := Picture{Boxes: make([]Box, nodes), Routes: make([]Route, edges), Layers: len(d.layers)}
	from, to := d.bands()
	width, height := 0.0, 0.0
	if len(to) > 0 {
		width = to[len(to)-1]
	}
	for v, i := range d.nodes {
		layer := d.layerOf[v]
		begin := (from[layer] + to[layer] - d.along[v]) / 2
		p.Boxes[i] = d.box(begin, d.at[v]-d.across[v]/2, d.along[v], d.across[v])
		p.Boxes[i].Layer = layer
		p.Boxes[i].Order = d.rankIn(v)
	}
	leaves, comes := d.ports()
	for i, l := range d.links {
		route := d.route(i, leaves[i], comes[i], from, to)
		for _, at := range route {
			height = max(height, at.Y)
		}
		p.Routes[l.edge] = Route{Points: d.turn(route, l.turned), Turned: l.turned}
	}
	for v := range d.nodes {
		height = max(height, d.at[v]+d.across[v]/2)
	}
	if d.options.Direction == Down {
		width, height = height, width
	}
	p.Width, p.Height = width, height
	return p
}

// rankIn is v's place among the nodes of its layer.
func (d *drawing) rankIn(v int) int {
	n := 0
	for _, w := range d.layers[d.layerOf[v]][:d.slot[v]] {
		if !d.bend(w) {
			n++
		}
	}
	return n
}

// bands are from where to where the layers go, along.
func (d *drawing) bands() (from, to []float64) {
	begin := 0.0
	for _, layer := range d.layers {
		thick := 0.0
		for _, v := range layer {
			thick = max(thick, d.along[v])
		}
		from, to = append(from, begin), append(to, begin+thick)
		begin += thick + d.options.LayerGap
	}
	return from, to
}

func (d *drawing) box(along, across, long, wide float64) Box {
	if d.options.Direction == Down {
		return Box{X: across, Y: along, Width: wide, Height: long}
	}
	return Box{X: along, Y: across, Width: long, Height: wide}
}

// turn brings a way into the direction of its edge and of the picture.
func (d *drawing) turn(route []Point, turned bool) []Point {
	if turned {
		slices.Reverse(route)
	}
	if d.options.Direction == Down {
		for i, at := range route {
			route[i] = Point{at.Y, at.X}
		}
	}
	return route
}

// ports says where links leave their first vertex and come to their last, across: side by
// side in the order of where they lead, around the middle.
func (d *drawing) ports() (leaves, comes []float64) {
	out, in := make([][]int, len(d.nodes)), make([][]int, len(d.nodes))
	for i, l := range d.links {
		out[l.from], in[l.to] = append(out[l.from], i), append(in[l.to], i)
	}
	leaves, comes = make([]float64, len(d.links)), make([]float64, len(d.links))
	for v := range d.nodes {
		d.spreadPorts(v, out[v], leaves, func(i int) int { return d.chains[i][1] })
		d.spreadPorts(v, in[v], comes, func(i int) int { return d.chains[i][len(d.chains[i])-2] })
	}
	return leaves, comes
}

func (d *drawing) spreadPorts(v int, links []int, port []float64, other func(int) int) {
	slices.SortStableFunc(links, func(a, b int) int { return cmp.Compare(d.at[other(a)], d.at[other(b)]) })
	gap := min(portGap, spread*d.across[v]/float64(max(len(links), 1)))
	for k, i := range links {
		port[i] = d.at[v] + gap*(float64(k)-float64(len(links)-1)/2)
	}
}

// route is the way of a link from its first vertex on, X along and Y across.
func (d *drawing) route(i int, leaves, comes float64, from, to []float64) []Point {
	chain := d.chains[i]
	first, last := chain[0], chain[len(chain)-1]
	middle := func(v int) float64 { return (from[d.layerOf[v]] + to[d.layerOf[v]]) / 2 }
	points := []Point{{middle(first) + d.along[first]/2, leaves}, {to[d.layerOf[first]], leaves}}
	for _, v := range chain[1 : len(chain)-1] {
		points = append(points, Point{from[d.layerOf[v]], d.at[v]}, Point{to[d.layerOf[v]], d.at[v]})
	}
	points = append(points, Point{from[d.layerOf[last]], comes}, Point{middle(last) - d.along[last]/2, comes})
	return straightened(points)
}

// straightened is a way without points at which it does not turn.
func straightened(points []Point) []Point {
	out := points[:1]
	for i := 1; i < len(points); i++ {
		here := points[i]
		last := out[len(out)-1]
		if near(here.X, last.X) && near(here.Y, last.Y) {
			continue
		}
		if i < len(points)-1 && near(here.Y, last.Y) && near(here.Y, points[i+1].Y) {
			continue
		}
		out = append(out, here)
	}
	return out
}

// near: nobody sees the difference, which may be one of rounding.
func near(a, b float64) bool { return math.Abs(a-b) < 1e-6 }

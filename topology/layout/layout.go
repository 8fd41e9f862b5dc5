// Package layout places the boxes of a directed graph in layers, so that its edges point
// from layer to layer, cross little and run around the boxes.
//
// It is the classic sequence of four steps: edges that close a cycle are turned round
// (rank.go), nodes get layers so that edges are short (rank.go), layers are ordered so that
// edges cross little (order.go), and places are given so that edges are straight
// (place.go, after U. Brandes and B. Köpf, Fast and Simple Horizontal Coordinate
// Assignment, 2001).
//
// It is pure and deterministic: the same nodes and edges give the same picture, in whatever
// order they are named. It is meant for pictures that people read, up to some hundreds of
// nodes; a thousand still take no more than a second.
package layout

import (
	"cmp"
	"slices"
)

// Point is a place in a picture. X grows to the right and Y down, in the unit of the nodes' sizes.
type Point struct{ X, Y float64 }

// Node is a box to be placed.
type Node struct {
	// Key tells nodes apart, and decides where nothing else does. No two nodes have the same.
	Key string
	// Width and Height of the box.
	Width, Height float64
}

// Edge leads from one node to another, by their indices. Those that lead nowhere, or from
// a node to itself, are not drawn.
type Edge struct {
	From, To int
	// Weight is how much it matters that the edge is short; below 1 counts as 1.
	Weight int
}

// Direction is where edges point.
type Direction uint8

// The directions.
const (
	Right Direction = iota // layers are columns
	Down                   // layers are rows
)

// Options of [Draw]. The zero value is fit for boxes of text.
type Options struct {
	Direction Direction
	// NodeGap is the least distance of two boxes of a layer. Default 20.
	NodeGap float64
	// EdgeGap is the least distance of two edges that run past each other. Default 14.
	EdgeGap float64
	// LayerGap is the distance of two layers. Default 64.
	LayerGap float64
}

func (o *Options) setDefaults() {
	for _, d := range []struct {
		value    *float64
		standard float64
	}{{&o.NodeGap, 20}, {&o.EdgeGap, 14}, {&o.LayerGap, 64}} {
		if *d.value <= 0 {
			*d.value = d.standard
		}
	}
}

// Box is where a node is.
type Box struct {
	// X and Y are its upper left corner.
	X, Y, Width, Height float64
	// Layer counts from 0 in the direction of the edges; Order from 0 within the layer.
	Layer, Order int
}

// Route is the way of an edge.
type Route struct {
	// Points lead from the border of the edge's first node to that of its second. Empty:
	// the edge is not drawn.
	Points []Point
	// Turned: it closes a cycle and points from a layer to an earlier one.
	Turned bool
}

// Picture is a graph with places.
type Picture struct {
	// Width and Height hold all boxes and routes, which begin at 0.
	Width, Height float64
	Boxes         []Box   // as the nodes
	Routes        []Route // as the edges
	// Layers is how many there are.
	Layers int
}

// Draw places nodes and edges.
func Draw(nodes []Node, edges []Edge, options Options) Picture {
	options.setDefaults()
	d := newDrawing(nodes, edges, options)
	d.breakCycles()
	d.rank()
	d.split()
	d.order()
	d.place()
	return d.picture(len(nodes), len(edges))
}

// drawing is a graph on its way to a picture. Its vertices are the nodes by key, and after
// them the bends at which edges pass a layer. Along is the direction of the edges, across
// is that of the layers; only [drawing.picture] knows which of them is X.
type drawing struct {
	options Options
	nodes   []int // by vertex: index of the node
	along   []float64
	across  []float64
	links   []link // by the keys of their ends
	layerOf []int
	chains  [][]int // by link: the vertices that it leads through, its ends included
	before  [][]int // by vertex: its neighbours in the layer before, in no order that means anything
	after   [][]int
	layers  [][]int
	slot    []int     // by vertex: its place in its layer
	at      []float64 // by vertex: its middle, across
}

// link is an edge that is drawn. Once cycles are broken it leads to a later layer.
type link struct {
	from, to int
	weight   int
	edge     int
	turned   bool
}

// newDrawing brings nodes and edges into an order that is theirs and not the caller's.
func newDrawing(nodes []Node, edges []Edge, options Options) *drawing {
	d := &drawing{options: options}
	for i := range nodes {
		d.nodes = append(d.nodes, i)
	}
	slices.SortStableFunc(d.nodes, func(a, b int) int { return cmp.Compare(nodes[a].Key, nodes[b].Key) })
	vertex := make([]int, len(nodes))
	for v, i := range d.nodes {
		vertex[i] = v
		along, across := nodes[i].Width, nodes[i].Height
		if options.Direction == Down {
			along, across = across, along
		}
		d.along, d.across = append(d.along, along), append(d.across, across)
	}
	for i, e := range edges {
		if e.From < 0 || e.To < 0 || e.From >= len(nodes) || e.To >= len(nodes) || e.From == e.To {
			continue
		}
		d.links = append(d.links, link{from: vertex[e.From], to: vertex[e.To], weight: max(e.Weight, 1), edge: i})
	}
	slices.SortStableFunc(d.links, func(a, b link) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(b.weight, a.weight))
	})
	return d
}

// bend reports whether v is where an edge passes a layer, and no node.
func (d *drawing) bend(v int) bool { return v >= len(d.nodes) }

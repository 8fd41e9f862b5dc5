package cascade

import (
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology/layout"
)

const (
	margin     = 24
	headHeight = 54 // headline and what stands below it
	legendLine = 22
	headLetter = 8.4
	// maxHead is how many letters of the headline are shown.
	maxHead = 110
)

// SVG is the picture as a document of its own. It is light or dark as its reader likes;
// a page that holds it may set the custom properties --hw-ink, --hw-paper, --hw-muted,
// --hw-origin, --hw-hit, --hw-warning, --hw-suspect and --hw-cleared. Whatever a colour
// tells, a word, a border or a line tells as well.
func (c *Cascade) SVG() string {
	s := &sheet{c: c}
	headline := c.Incident.HeadlineWithin(maxHead)
	legend := c.legend()
	width := max(c.Width, letters(headline)*headLetter, legendWidth)
	height := headHeight + c.Height + legendHeight(legend)
	s.f(`<svg xmlns="http://www.w3.org/2000/svg" class="hw-cascade" role="img" viewBox="0 0 %s %s" width="%s" height="%s" font-family="system-ui, sans-serif">`,
		num(width+2*margin), num(height+2*margin), num(width+2*margin), num(height+2*margin))
	s.f("<title>%s</title><desc>%s</desc>\n<style>%s</style>\n", escaped(headline), escaped(c.Description()), style)
	s.f(`<rect class="paper" width="100%%" height="100%%"/>` + "\n")
	s.f(`<g transform="translate(%d %d)">`+"\n", margin, margin)
	s.f(`<text class="head" y="14">%s</text><text class="small" y="34">%s</text>`+"\n", escaped(headline), escaped(c.subtitle()))
	s.f(`<g transform="translate(0 %d)">`+"\n", headHeight)
	for i := range c.Edges {
		s.edge(&c.Edges[i])
	}
	for i := range c.Nodes {
		s.node(&c.Nodes[i])
	}
	s.f("</g>\n")
	s.legend(legend, headHeight+c.Height+legendLine)
	s.f("</g>\n</svg>\n")
	return s.b.String()
}

// subtitle is the line below the headline.
func (c *Cascade) subtitle() string {
	inc := c.Incident
	text := inc.ID + " · since " + inc.StartedAt.UTC().Format("2006-01-02 15:04:05 UTC")
	if end := inc.ResolvedAt; !end.IsZero() {
		text += " · lasted " + correlate.Span(end.Sub(inc.StartedAt))
	}
	if c.Left > 0 {
		text += fmt.Sprintf(" · %s not drawn", plural(c.Left, "service"))
	}
	return text
}

// sheet is what is being written.
type sheet struct {
	c *Cascade
	b strings.Builder
}

func (s *sheet) f(format string, args ...any) { fmt.Fprintf(&s.b, format, args...) }

// num writes a length without needless digits.
func num(x float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", x), ".0") }

// escaped is a text as XML takes it: what XML cannot hold is replaced.
func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes all
	return b.String()
}

func (s *sheet) node(n *Node) {
	b := n.Box
	s.f(`<g class="node %s"><title>%s</title>`, n.classes(), escaped(n.About()))
	if n.Role == RoleOrigin {
		s.f(`<rect class="ring" x="%s" y="%s" width="%s" height="%s" rx="11"/>`, num(b.X-4), num(b.Y-4), num(b.Width+8), num(b.Height+8))
	}
	s.f(`<rect class="box" x="%s" y="%s" width="%s" height="%s" rx="8"/>`, num(b.X), num(b.Y), num(b.Width), num(b.Height))
	s.f(`<path class="icon" transform="translate(%s %s)" d="%s"/>`, num(b.X+12), num(b.Y+b.Height/2-8), icons[kindOf(n.Kind)])
	for i, line := range n.lines() {
		class := "small"
		if i == 0 {
			class = "name"
		}
		s.f(`<text class="%s" x="%s" y="%s">%s</text>`, class, num(b.X+textLeft), num(b.Y+19+float64(i*lineHeight)), escaped(line))
	}
	s.f("</g>\n")
}

func (n *Node) classes() string {
	out := n.Role.String()
	if n.Role == RoleHit && n.Severity <= correlate.SeverityWarning {
		out += " warning"
	}
	if n.Silent {
		out += " silent"
	}
	return out
}

func (s *sheet) edge(e *Edge) {
	if len(e.Points) == 0 {
		return
	}
	from, to := s.c.Nodes[e.From].Name, s.c.Nodes[e.To].Name
	s.f(`<g class="edge %s"><title>%s</title><path class="line" d="%s"/>`, e.Link, escaped(from+" → "+to+e.words(", ")), s.curve(e.Points))
	end, before := e.Points[len(e.Points)-1], e.Points[len(e.Points)-2]
	s.f(`<path class="tip" d="%s"/>`, s.tip(before, end))
	if label := e.label(); label != "" {
		s.delay(label, before, end)
	}
	s.f("</g>\n")
}

// delay writes a label beside the end of a line that comes from before, on the side that the line leaves free.
func (s *sheet) delay(label string, before, end layout.Point) {
	anchor, x, y := "end", end.X-10, end.Y-6
	if before.Y < end.Y {
		y = end.Y + 14
	}
	switch {
	case s.c.Direction == layout.Down && before.X <= end.X:
		anchor, x, y = "start", end.X+8, end.Y-10
	case s.c.Direction == layout.Down:
		anchor, x, y = "end", end.X-8, end.Y-10
	case before.X > end.X:
		anchor, x = "start", end.X+10
	}
	s.f(`<text class="delay" x="%s" y="%s" text-anchor="%s">%s</text>`, num(x), num(y), anchor, escaped(label))
}

// label is what stands beside an arrow. What runs on what is said in the boxes.
func (e *Edge) label() string {
	if e.Link != LinkTook {
		return ""
	}
	said := *e
	if said.Kind == runsOn {
		said.Kind = ""
	}
	return strings.TrimPrefix(said.words(" "), " ")
}

// curve is a way with its turns rounded: a piece that changes lanes leaves and arrives in
// the direction of the layers, and stays between its ends.
func (s *sheet) curve(points []layout.Point) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M%s %s", num(points[0].X), num(points[0].Y))
	for i := 1; i < len(points); i++ {
		p, q := points[i-1], points[i]
		if p.X == q.X || p.Y == q.Y {
			fmt.Fprintf(&b, "L%s %s", num(q.X), num(q.Y))
			continue
		}
		a, z := layout.Point{X: (p.X + q.X) / 2, Y: p.Y}, layout.Point{X: (p.X + q.X) / 2, Y: q.Y}
		if s.c.Direction == layout.Down {
			a, z = layout.Point{X: p.X, Y: (p.Y + q.Y) / 2}, layout.Point{X: q.X, Y: (p.Y + q.Y) / 2}
		}
		fmt.Fprintf(&b, "C%s %s %s %s %s %s", num(a.X), num(a.Y), num(z.X), num(z.Y), num(q.X), num(q.Y))
	}
	return b.String()
}

// tip is the point of an arrow that comes to end from before, along the layers.
func (s *sheet) tip(before, end layout.Point) string {
	const length, half = 8, 4
	if s.c.Direction == layout.Down {
		back := math.Copysign(length, before.Y-end.Y)
		return arrow(end, layout.Point{X: end.X - half, Y: end.Y + back}, layout.Point{X: end.X + half, Y: end.Y + back})
	}
	back := math.Copysign(length, before.X-end.X)
	return arrow(end, layout.Point{X: end.X + back, Y: end.Y - half}, layout.Point{X: end.X + back, Y: end.Y + half})
}

func arrow(end, a, b layout.Point) string {
	return fmt.Sprintf("M%s %sL%s %sL%s %sZ", num(a.X), num(a.Y), num(end.X), num(end.Y), num(b.X), num(b.Y))
}

// entry is one line of the legend.
type entry struct {
	class string // of the sample
	line  bool   // the sample is a line, else a box
	text  string
}

// legendOf lists what a picture may need to have explained, in this order.
var legendOf = []entry{
	{"origin", false, "probable origin"},
	{"hit", false, "hit"},
	{"passed", false, "passed in silence"},
	{"suspect", false, "could also be the origin"},
	{"cleared", false, "works: its checks pass"},
	{"next", false, "may be hit next"},
	{"took", true, "the way it took, with the delay"},
	{"suspect", true, "the way it would have taken"},
	{"depends", true, "depends on it, explains nothing"},
	{"possible", true, "could go on here"},
}

// legend is what of it this picture needs.
func (c *Cascade) legend() []entry {
	return slices.DeleteFunc(slices.Clone(legendOf), func(e entry) bool {
		if e.line {
			return !slices.ContainsFunc(c.Edges, func(have Edge) bool { return have.Link.String() == e.class })
		}
		return !slices.ContainsFunc(c.Nodes, func(have Node) bool { return have.Role.String() == e.class })
	})
}

const (
	legendColumns = 3
	legendColumn  = 250
	legendWidth   = legendColumns * legendColumn
)

func legendHeight(entries []entry) float64 {
	return float64((len(entries)+legendColumns-1)/legendColumns)*legendLine + legendLine
}

func (s *sheet) legend(entries []entry, top float64) {
	for i, e := range entries {
		x, y := float64(i%legendColumns*legendColumn), top+float64(i/legendColumns*legendLine)
		if e.line {
			s.f(`<g class="edge %s"><path class="line" d="M%s %sh22"/><path class="tip" d="M%s %sl8 4l-8 4z"/></g>`, e.class, num(x), num(y+7), num(x+18), num(y+3))
		} else {
			s.f(`<g class="node %s"><rect class="box" x="%s" y="%s" width="26" height="14" rx="4"/></g>`, e.class, num(x), num(y))
		}
		s.f(`<text class="small" x="%s" y="%s">%s</text>`+"\n", num(x+36), num(y+11), escaped(e.text))
	}
}

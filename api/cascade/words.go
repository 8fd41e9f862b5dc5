package cascade

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// How text is set. The sizes of letters are guesses on the wide side, as it is not known
// which fonts a reader has.
const (
	nameLetter  = 7.6 // width of a letter of a name
	smallLetter = 6.1 // and of what stands below it
	textLeft    = 38  // from a box's border to its text: an icon is before it
	textRight   = 14
	leastWidth  = 150
	maxName     = 30 // letters of a name; the rest is in the tooltip
	lineHeight  = 15
	delayGap    = 92 // between columns, so that there is room for a delay
)

// lines are what stands in a node's box, its name first.
func (n *Node) lines() []string {
	out := []string{cut(n.Name, maxName), n.roleWords()}
	for _, words := range []string{n.shownWords(), n.doubt()} {
		if words != "" {
			out = append(out, words)
		}
	}
	if len(n.Places) > 0 {
		out = append(out, cut("on "+strings.Join(n.Places, ", "), maxName))
	}
	return out
}

// roleWords say what a service is in the picture, so that no colour need be seen for it.
func (n *Node) roleWords() string {
	switch n.Role {
	case RoleOrigin:
		if n.Probability >= 1 {
			return "origin"
		}
		return "probable origin, " + correlate.Percent(n.Probability)
	case RoleSuspect:
		return "or this one, " + correlate.Percent(n.Probability)
	case RolePassed:
		return "passed in silence"
	case RoleCleared:
		return "✓ its checks pass"
	case RoleNext:
		return "may be next"
	case RoleHit:
	}
	if n.Order == 1 {
		return n.Severity.String() + ", first to alert"
	}
	return n.Severity.String() + ", +" + correlate.Span(n.After)
}

// doubt says that it may also have begun at a service that was hit; empty when it hardly did.
func (n *Node) doubt() string {
	if n.Role == RoleOrigin || n.Role == RoleSuspect || n.Probability < doubtAt {
		return ""
	}
	return "or the origin, " + correlate.Percent(n.Probability)
}

// shownWords say what a service shows; empty when its role says it.
func (n *Node) shownWords() string {
	switch {
	case n.Alerts > 0:
		return plural(n.Alerts, "alert")
	case n.Role == RoleOrigin:
		return "no alert of its own"
	}
	return ""
}

func (n *Node) width() float64 {
	width := 0.0
	for i, line := range n.lines() {
		letter := smallLetter
		if i == 0 {
			letter = nameLetter
		}
		width = max(width, letters(line)*letter)
	}
	return max(math.Ceil(textLeft+width+textRight), leastWidth)
}

func (n *Node) height() float64 { return float64(16 + lineHeight*len(n.lines())) }

// letters counts those of a text; those of Chinese, Japanese and Korean are twice as wide.
func letters(text string) float64 {
	n := 0.0
	for _, r := range text {
		if n++; r >= 0x2e80 {
			n++
		}
	}
	return n
}

// cut is a text in at most n letters.
func cut(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return text
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// About is all that is known of a node, in one line: its tooltip.
func (n *Node) About() string {
	parts := []string{n.Service.String() + ", " + n.Kind.String(), n.roleWords()}
	for _, words := range []string{n.shownWords(), n.doubt()} {
		if words != "" {
			parts = append(parts, words)
		}
	}
	if !n.Since.IsZero() {
		parts = append(parts, "since "+n.Since.UTC().Format(time.TimeOnly)+" UTC")
	}
	if n.Passing && n.Role != RoleCleared {
		parts = append(parts, "its checks pass")
	}
	if len(n.Places) > 0 {
		parts = append(parts, "on "+strings.Join(n.Places, ", "))
	}
	if n.Owner != "" {
		parts = append(parts, "owner "+n.Owner)
	}
	return strings.Join(parts, " · ")
}

// Description tells the picture to those who do not see it, in sentences.
func (c *Cascade) Description() string {
	var out []string
	for i := range c.Nodes {
		n := &c.Nodes[i]
		text := n.Name + ": " + n.roleWords()
		for _, words := range []string{n.shownWords(), n.doubt()} {
			if words != "" {
				text += ", " + words
			}
		}
		if causes := c.causes(i); len(causes) > 0 {
			text += "; " + strings.Join(causes, ", ")
		}
		out = append(out, text+".")
	}
	if c.Left > 0 {
		out = append(out, fmt.Sprintf("%d more services were hit.", c.Left))
	}
	return strings.Join(out, " ")
}

// causes says by which steps the failure came to node i.
func (c *Cascade) causes(i int) []string {
	var out []string
	for _, e := range c.Edges {
		if e.Link == LinkTook && e.To == i {
			out = append(out, "from "+c.Nodes[e.From].Name+e.words(", "))
		}
	}
	return out
}

// words say how and how fast the failure took a step, after sep; empty when it is the
// usual way and the delay is not known.
func (e *Edge) words(sep string) string {
	text := ""
	switch e.Kind {
	case "overload":
		text = sep + "overload"
	case "starvation":
		text = sep + "no traffic"
	case runsOn:
		text = sep + "runs on it"
	}
	if e.Delay > 0 {
		text += sep + "+" + correlate.Span(e.Delay)
	}
	return text
}

// runsOn is the kind of the steps from a place to what is on it.
const runsOn = "runs-on"

// kindOf is a node's kind as a picture of it knows it.
func kindOf(k topology.Kind) string {
	switch k {
	case topology.KindZone, topology.KindCluster:
		return "zone"
	case topology.KindService, topology.KindAPI:
		return "service"
	}
	return k.String()
}

package cascade

import (
	"fmt"
	"strings"
)

// Mermaid is the picture in the language of that name, which many readers of Markdown
// draw. It says less than [Cascade.SVG]: what is not to blame and what may be next are left out.
func (c *Cascade) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	shown := make([]bool, len(c.Nodes))
	for i := range c.Nodes {
		n := &c.Nodes[i]
		if n.Role == RoleCleared || n.Role == RoleNext {
			continue
		}
		shown[i] = true
		open, end := `["`, `"]`
		if n.Role == RoleOrigin {
			open, end = `[["`, `"]]`
		}
		lines := n.lines()
		for k := range lines {
			lines[k] = mermaidEscaper.Replace(lines[k])
		}
		fmt.Fprintf(&b, "  n%d%s%s%s:::%s\n", i, open, strings.Join(lines, "<br/>"), end, mermaidClass(n))
	}
	for i := range c.Edges {
		if e := &c.Edges[i]; shown[e.From] && shown[e.To] {
			fmt.Fprintf(&b, "  n%d %s n%d\n", e.From, e.mermaid(), e.To)
		}
	}
	// Borders alone: what they are filled with is up to the reader's colours.
	b.WriteString("  classDef origin stroke-width:4px\n  classDef silent stroke-width:4px,stroke-dasharray:6 4\n  classDef passed stroke-dasharray:6 4\n  classDef suspect stroke-dasharray:2 4\n  classDef hit stroke-width:2px\n")
	return b.String()
}

func mermaidClass(n *Node) string {
	if n.Role == RoleOrigin && n.Silent {
		return "silent"
	}
	return n.Role.String()
}

func (e *Edge) mermaid() string {
	if e.Link != LinkTook {
		return "-.->"
	}
	if label := e.label(); label != "" {
		return `-->|"` + mermaidEscaper.Replace(label) + `"|`
	}
	return "-->"
}

// mermaidEscaper writes what would be mark-up, or end a quoted text, as an entity.
var mermaidEscaper = strings.NewReplacer(
	"#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "`", "#96;", "*", "#42;", "_", "#95;", "~", "#126;", `\`, "#92;", "|", "#124;", "[", "#91;", "]", "#93;",
)

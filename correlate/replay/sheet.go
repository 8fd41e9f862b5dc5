package replay

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// sheetWidth is how wide a story is: a terminal beside an editor.
const sheetWidth = 100

// sheet is text of a bounded width, with times counted from zero.
type sheet struct {
	b    strings.Builder
	zero time.Time
}

func (p *sheet) line(format string, args ...any) {
	p.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// wrapped writes text behind a head, and what does not fit on the line below it,
// indented as far. A word that is longer than the line is left whole.
func (p *sheet) wrapped(head, text string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(head))
	line, empty := head, true
	for _, word := range strings.Fields(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > sheetWidth {
			p.line("%s", line)
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	p.line("%s", line)
}

// clock is t in minutes and seconds from zero; empty when t is unset.
func (p *sheet) clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := t.Sub(p.zero).Round(time.Second)
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	return fmt.Sprintf("%s%d:%02d", sign, d/time.Minute, d%time.Minute/time.Second)
}

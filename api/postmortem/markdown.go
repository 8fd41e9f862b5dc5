package postmortem

import (
	"net/url"
	"strings"
	"unicode"
)

// maxText bounds what is quoted of one text, in letters.
const maxText = 2000

// escaper writes what Markdown, HTML or a host of Markdown would take for mark-up: "@" and
// "#" make mentions and references there, and a colon after a scheme a link.
var escaper = strings.NewReplacer(
	`\`, `\\`, "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "~", `\~`, "|", `\|`, "$", `\$`,
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "&#64;", "#", "&#35;", "://", "&#58;//", "www.", "www&#46;", "!", `\!`,
)

// escape puts a text from outside on one line on which nothing is mark-up.
func escape(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }), " ")
	if r := []rune(text); len(r) > maxText {
		text = string(r[:maxText-1]) + "…"
	}
	text = escaper.Replace(text)
	// At the start of a line these make lists, headings and rules.
	if text != "" && strings.ContainsRune("-+=:", rune(text[0])) {
		text = `\` + text
	}
	if n := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }); n > 0 && (text[n] == '.' || text[n] == ')') {
		text = text[:n] + `\` + text[n:]
	}
	return text
}

// quoted is a text from outside in quotation marks.
func quoted(text string) string { return `"` + escape(text) + `"` }

// linked is a link with that text; the text alone when the address is none that a reader may follow.
func linked(text, address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return escape(text)
	}
	return "[" + escape(text) + "](<" + strings.NewReplacer("<", "%3C", ">", "%3E", "\n", "", "\r", "", `\`, "%5C", "|", "%7C").Replace(u.String()) + ">)"
}

// table writes rows of cells, each of them escaped already. Without rows it writes nothing.
func (w *writer) table(head []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	w.f("| %s |", strings.Join(head, " | "))
	w.f("|%s", strings.Repeat("---|", len(head)))
	for _, row := range rows {
		w.f("| %s |", strings.Join(row, " | "))
	}
}

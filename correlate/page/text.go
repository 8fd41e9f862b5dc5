package page

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/headwater-sre/headwater/correlate"
)

// labelWidth is the column at which plain text begins beside its labels; the
// label with an origin's name in it may need more.
const labelWidth = 16

// Render is the whole page in plain text, as on-call would see it on a terminal.
func Render(p *correlate.Page) string {
	s := NewSheet(p, "")
	return s.Title + "\n" + s.Text()
}

// Title is the page's first line.
func Title(p *correlate.Page) string { return named(p).Headline() }

// Body is the page in plain text without its title. externalURL as in [NewSheet].
func Body(p *correlate.Page, externalURL string) string { return NewSheet(p, externalURL).Text() }

// Text is the body in plain text with aligned labels.
func (s *Sheet) Text() string {
	var b strings.Builder
	if news := s.News(); news != "" {
		fmt.Fprintln(&b, news)
	}
	fmt.Fprintln(&b, s.Context())
	sections := s.Sections()
	if links := s.links(); len(links) > 0 {
		sections = append(sections, Section{"Do", namedLinks(links)})
	}
	width := labelWidth
	for _, sec := range sections {
		width = max(width, utf8.RuneCountInString(sec.Label)+2)
	}
	if len(sections) > 0 {
		b.WriteByte('\n')
	}
	for _, sec := range sections {
		label := sec.Label
		for _, l := range sec.Lines {
			fmt.Fprintf(&b, "%-*s%s\n", width, label, l)
			label = ""
		}
	}
	return b.String()
}

// TextWithin is [Sheet.Text] in at most n runes, cut after a whole line.
func (s *Sheet) TextWithin(n int) string {
	text := s.Text()
	if len([]rune(text)) <= n {
		return text
	}
	var b strings.Builder
	room := n - 1 // for the sign that something is missing
	for l := range strings.Lines(text) {
		if room -= len([]rune(l)); room < 0 {
			break
		}
		b.WriteString(l)
	}
	return b.String() + "…"
}

// link is where to go from here, and what is there.
type link struct{ name, url string }

// Anchors of the incident's page.
const (
	graphAnchor       = "#cascade"
	acknowledgeAnchor = "#acknowledge"
)

// links are what to do next, the first first: runbooks, the incident's own page, where
// people look, changes.
func (s *Sheet) links() []link {
	var links []link
	for i, r := range s.Runbooks {
		links = append(links, link{numbered("Runbook", i, len(s.Runbooks)), r})
	}
	if s.URL != "" {
		links = append(links, link{s.Incident, s.URL})
		if !s.Confined() {
			links = append(links, link{"Graph", s.URL + graphAnchor})
		}
		if address := s.AcknowledgeURL(); address != "" {
			links = append(links, link{"Acknowledge", address})
		}
	}
	for _, l := range s.Links {
		links = append(links, link{l.Title, l.URL})
	}
	for _, e := range s.Earlier {
		if e.URL != "" {
			links = append(links, link{e.Incident, e.URL})
		}
	}
	changes := 0
	for _, c := range s.Changes {
		if c.Link != "" {
			links = append(links, link{numbered("Change", changes, 1+changes), c.Link})
			changes++
		}
	}
	return links
}

// AcknowledgeURL is where somebody says that they have it; empty when somebody does.
func (s *Sheet) AcknowledgeURL() string {
	if s.URL == "" || s.Resolved() || s.AcknowledgedBy != "" || s.Kind == correlate.PageNotice.String() {
		return ""
	}
	return s.URL + acknowledgeAnchor
}

func numbered(word string, i, of int) string {
	if of > 1 {
		return fmt.Sprintf("%s %d", word, i+1)
	}
	return word
}

// addresses are the links without their names, for programs.
func addresses(links []link) []string {
	var urls []string
	for _, l := range links {
		urls = append(urls, l.url)
	}
	return urls
}

// namedLinks says in front of each link what is there.
func namedLinks(links []link) []string {
	width := 0
	for _, l := range links {
		width = max(width, utf8.RuneCountInString(l.name))
	}
	var lines []string
	for _, l := range links {
		lines = append(lines, fmt.Sprintf("%-*s  %s", width, l.name, l.url))
	}
	return lines
}

// maxSlackText keeps the text below what Slack folds away or refuses.
const maxSlackText = 3000

// slackEscaper escapes the three characters that Slack's mark-up gives a meaning.
var slackEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// SlackTitle is the title for Slack, where it links to the incident's page.
func (s *Sheet) SlackTitle() string { return slackEscaper.Replace(s.Title) }

// MarkdownTitle is the title where Markdown is read.
func (s *Sheet) MarkdownTitle() string { return markdownEscaper.Replace(s.Title) }

// QuotedText lists the most telling alerts, one per line.
func (s *Sheet) QuotedText() string { return strings.Join(s.QuotedTexts(), "\n") }

// QuotedTexts are the lines of [Sheet.QuotedText].
func (s *Sheet) QuotedTexts() []string {
	var texts []string
	for _, q := range s.Quoted {
		text := fmt.Sprintf("%s %s on %s (%s) since %s", q.Status, q.Name+q.silenced(), q.Service, q.Severity, q.StartsAt.Format("15:04:05 UTC"))
		if q.Summary != "" {
			text += ": " + q.Summary
		}
		texts = append(texts, text)
	}
	if more := s.Alerts - len(s.Quoted); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return texts
}

// silenced marks a name.
func (q *Quote) silenced() string {
	if q.Silenced {
		return " (silenced)"
	}
	return ""
}

// Slack is the body in Slack's mrkdwn.
func (s *Sheet) Slack() string {
	var out []string
	if news := s.News(); news != "" {
		out = append(out, "*"+slackEscaper.Replace(news)+"*")
	}
	out = append(out, slackEscaper.Replace(s.Context()), "")
	for _, sec := range s.Sections() {
		out = append(out, slackSection(sec)...)
	}
	// The links stay whatever has to go.
	links := s.slackLinks(maxSlackText / 2)
	text := within(out, maxSlackText-utf8.RuneCountInString(links)-2)
	if links == "" {
		return text
	}
	return text + "\n\n" + links
}

func slackSection(sec Section) []string {
	label := "*" + slackEscaper.Replace(sec.Label) + "*"
	if len(sec.Lines) == 1 {
		return []string{label + "  " + slackEscaper.Replace(sec.Lines[0])}
	}
	out := []string{label}
	for _, l := range sec.Lines {
		out = append(out, "• "+slackEscaper.Replace(l))
	}
	return out
}

// slackLinkName escapes a link's name, in which a bar has a meaning besides.
var slackLinkName = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "|", "/")

// slackLinks are as many of the links as fit, on one line.
func (s *Sheet) slackLinks(runes int) string {
	const between = " · "
	text := ""
	for _, l := range s.links() {
		// A bar or a bracket would end the link early.
		url := strings.NewReplacer("|", "%7C", "<", "%3C", ">", "%3E", "&", "&amp;").Replace(l.url)
		next := "<" + url + "|" + slackLinkName.Replace(l.name) + ">"
		if text != "" {
			next = between + next
		}
		if utf8.RuneCountInString(text+next) <= runes {
			text += next
		}
	}
	return strings.TrimPrefix(text, between)
}

// markdownEscaper escapes what would be mark-up in a service's name or a summary.
var markdownEscaper = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`, "#", `\#`)

// Markdown is the body in the Markdown that chat services share. Paragraphs are
// set apart by empty lines, without which Teams runs them together.
func (s *Sheet) Markdown() string {
	var out []string
	if news := s.News(); news != "" {
		out = append(out, "**"+markdownEscaper.Replace(news)+"**", "")
	}
	out = append(out, markdownEscaper.Replace(s.Context()), "")
	for _, sec := range s.Sections() {
		label := "**" + markdownEscaper.Replace(sec.Label) + "**"
		if len(sec.Lines) == 1 {
			out = append(out, label+" "+markdownEscaper.Replace(sec.Lines[0]), "")
			continue
		}
		out = append(out, label, "")
		for _, l := range sec.Lines {
			out = append(out, "- "+markdownEscaper.Replace(l))
		}
		out = append(out, "")
	}
	for _, l := range s.links() {
		out = append(out, "- "+markdownEscaper.Replace(l.name)+": "+l.url)
	}
	return within(out, maxSlackText)
}

// within joins lines as far as they fit.
func within(lines []string, runes int) string {
	var b strings.Builder
	for i, l := range lines {
		if runes -= len([]rune(l)) + 1; runes < 1 {
			return b.String() + "…"
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(l)
	}
	return strings.TrimRight(b.String(), "\n")
}

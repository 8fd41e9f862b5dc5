package correlatetest

import (
	"fmt"
	"strings"
)

// block is a stretch of a story: text to keep as it is, and the outcome after it.
type block struct {
	text     []string // everything up to the outcome, comments and blank lines included
	commands []command
	outcome  []string
}

// command is one line that does something, and the indented lines below it.
type command struct {
	line  int // in the file, from 1
	text  string
	below []string
}

const divider = "----"

// read cuts a story into blocks.
func read(src string) []*block {
	lines := strings.Split(strings.TrimRight(src, "\n"), "\n")
	var blocks []*block
	b := &block{}
	outcome := false
	for i, l := range lines {
		blank := strings.TrimSpace(l) == ""
		switch {
		case outcome && !blank:
			b.outcome = append(b.outcome, l)
			continue
		case outcome, blank && len(b.commands) > 0:
			blocks = append(blocks, b)
			b, outcome = &block{}, false
		}
		if l == divider && len(b.commands) > 0 {
			outcome = true
			continue
		}
		b.text = append(b.text, l)
		b.add(i+1, l)
	}
	return append(blocks, b)
}

func (b *block) add(line int, text string) {
	bare := strings.TrimSpace(text)
	switch {
	case bare == "" || bare[0] == '#':
	case bare != text && (text[0] == ' ' || text[0] == '\t') && len(b.commands) > 0:
		last := &b.commands[len(b.commands)-1]
		last.below = append(last.below, bare)
	default:
		b.commands = append(b.commands, command{line: line, text: bare})
	}
}

// write puts the story together again, with the outcomes that the blocks now have.
func write(blocks []*block) string {
	var out strings.Builder
	for _, b := range blocks {
		for _, l := range b.text {
			out.WriteString(l + "\n")
		}
		if len(b.outcome) > 0 {
			out.WriteString(divider + "\n" + strings.Join(b.outcome, "\n") + "\n")
		}
	}
	return out.String()
}

// words splits a line at spaces. What stands in double quotes or braces stays whole;
// the quotes go, the braces stay.
func words(text string) ([]string, error) {
	var out []string
	var word strings.Builder
	begun, quoted, depth := false, false, 0
	flush := func() {
		if begun {
			out = append(out, word.String())
		}
		word.Reset()
		begun = false
	}
	for _, r := range text {
		switch {
		case r == '"':
			quoted, begun = !quoted, true
			if depth > 0 {
				word.WriteRune(r)
			}
			continue
		case quoted:
		case r == '{':
			depth++
		case r == '}':
			depth--
		case r == ' ' && depth == 0:
			flush()
			continue
		}
		begun = true
		word.WriteRune(r)
	}
	if quoted || depth != 0 {
		return nil, fmt.Errorf("quotes or braces are not closed in %q", text)
	}
	flush()
	return out, nil
}

// options splits words into plain ones and key=value pairs, in order.
func options(in []string) (plain []string, opts map[string]string) {
	opts = map[string]string{}
	for _, w := range in {
		if k, v, ok := strings.Cut(w, "="); ok && k != "" && !strings.ContainsAny(k, "{ \"<>") {
			opts[k] = v
			continue
		}
		plain = append(plain, w)
	}
	return plain, opts
}

// labels reads {name="value", …}.
func labels(text string) (map[string]string, error) {
	out := map[string]string{}
	rest := strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(text, "{"), "}"))
	for rest != "" {
		name, after, ok := strings.Cut(rest, `="`)
		if !ok {
			return nil, fmt.Errorf("labels %s: want name=\"value\" at %q", text, rest)
		}
		value, tail, ok := strings.Cut(after, `"`)
		if !ok {
			return nil, fmt.Errorf("labels %s: the value of %s has no end", text, name)
		}
		out[strings.TrimSpace(name)] = value
		rest = strings.TrimLeft(strings.TrimSpace(tail), ", ")
	}
	return out, nil
}

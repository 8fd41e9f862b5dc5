package day

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// parser reads one line after the other.
type parser struct {
	read         func(path string) ([]byte, error)
	line         int
	first        time.Time // the first day's beginning
	midnight     time.Time // the day's that lines are about
	end          time.Time
	steps        []Step
	alertmanager *Alertmanager
}

func (p *parser) take(line string) error {
	w, err := words(line)
	if err != nil {
		return err
	}
	switch w[0] {
	case "day":
		return p.newDay(w[1:])
	case "alertmanager":
		return p.alertmanager.configure(w[1:])
	}
	at, err := p.time(w[0])
	if err != nil {
		return err
	}
	if len(w) == 1 {
		return errors.New("says when, but not what")
	}
	return p.repeat(at, w[1:])
}

func (p *parser) newDay(w []string) error {
	if len(w) != 1 {
		return errors.New("want: day 2026-11-17")
	}
	at, err := time.Parse(time.DateOnly, w[0])
	if err != nil {
		return fmt.Errorf("%q is no date; want one such as 2026-11-17", w[0])
	}
	if !at.After(p.midnight) && !p.midnight.IsZero() {
		return fmt.Errorf("%s is not after %s", w[0], p.midnight.Format(time.DateOnly))
	}
	if p.first.IsZero() {
		p.first = at
	}
	p.midnight = at
	return nil
}

// time reads 03:00 or 03:00:12, up to 48:00 of the day that lines are about.
func (p *parser) time(text string) (time.Time, error) {
	if p.midnight.IsZero() {
		return time.Time{}, errors.New("of which day? Begin with a line such as: day 2026-11-17")
	}
	parts := strings.Split(text, ":")
	var n [3]int
	for i, part := range parts {
		v, err := strconv.Atoi(part)
		if err != nil || len(parts) < 2 || len(parts) > 3 || len(part) != 2 || v < 0 || i > 0 && v > 59 || i == 0 && v > 48 {
			return time.Time{}, fmt.Errorf("%q is no time of day; want 03:00 or 03:00:12", text)
		}
		n[i] = v
	}
	return p.midnight.Add(time.Duration(n[0])*time.Hour + time.Duration(n[1])*time.Minute + time.Duration(n[2])*time.Second), nil
}

// maxRepeats bounds what one line makes.
const maxRepeats = 10_000

// repeat carries out "repeat 30 every 4s …" and "every 30s until 04:00 …".
func (p *parser) repeat(at time.Time, w []string) error {
	switch {
	case w[0] == "repeat" && len(w) > 4 && w[2] == "every":
		n, err := strconv.Atoi(w[1])
		if err != nil || n < 1 || n > maxRepeats {
			return fmt.Errorf("repeat %s: want a number up to %d", w[1], maxRepeats)
		}
		every, err := duration(w[3])
		if err != nil {
			return err
		}
		return p.times(at, n, every, w[4:])
	case w[0] == "every" && len(w) > 4 && w[2] == "until":
		every, err := duration(w[1])
		if err != nil {
			return err
		}
		until, err := p.time(w[3])
		if err != nil {
			return err
		}
		n := int(until.Sub(at)/max(every, time.Second)) + 1
		if until.Before(at) || n > maxRepeats {
			return fmt.Errorf("every %s until %s: is not once, or more than %d times", w[1], w[3], maxRepeats)
		}
		return p.times(at, n, max(every, time.Second), w[4:])
	}
	return p.once(at, w)
}

// times plays a line n times: {n} in it is the number of the repetition, and {a|b} takes
// one word after the other.
func (p *parser) times(at time.Time, n int, every time.Duration, w []string) error {
	for i := range n {
		one := make([]string, len(w))
		for j, word := range w {
			one[j] = numbered(word, i)
		}
		if err := p.once(at.Add(time.Duration(i)*every), one); err != nil {
			return err
		}
	}
	return nil
}

func numbered(word string, i int) string {
	word = strings.ReplaceAll(word, "{n}", strconv.Itoa(i+1))
	for {
		before, rest, ok := strings.Cut(word, "{")
		choice, after, closed := strings.Cut(rest, "}")
		if !ok || !closed || !strings.Contains(choice, "|") {
			return word
		}
		all := strings.Split(choice, "|")
		word = before + all[i%len(all)] + after
	}
}

func (p *parser) once(at time.Time, w []string) error {
	add := func(s Step) error {
		s.At, s.Line = at, p.line
		p.steps = append(p.steps, s)
		return nil
	}
	args := w[1:]
	switch w[0] {
	case "say":
		return add(Step{Say: strings.Join(args, " ")})
	case "end":
		p.end = at
		return nil
	case "firing":
		return p.firing(at, 0, args)
	case "for":
		if len(args) < 2 || args[1] != "firing" {
			return errors.New("want: for 20m firing …")
		}
		d, err := duration(args[0])
		if err != nil {
			return err
		}
		return p.firing(at, d, args[2:])
	case "resolved":
		return p.resolved(at, args)
	case "silence":
		return p.silence(at, args)
	case "health":
		post, err := healthPost(at, args)
		if err != nil {
			return err
		}
		return add(Step{Post: post})
	case "change":
		post, err := changePost(at, args)
		if err != nil {
			return err
		}
		return add(Step{Post: post})
	case "post":
		if len(args) != 2 {
			return errors.New("want: post /webhook/… FILE")
		}
		body, err := p.read(args[1])
		if err != nil {
			return err
		}
		return add(Step{Post: &Post{Path: args[0], Body: body, Says: args[1] + " to " + args[0]}})
	case "receiver":
		if len(args) != 2 || args[1] != "down" && args[1] != "up" {
			return errors.New("want: receiver NAME down, or up")
		}
		return add(Step{Outage: &Outage{Receiver: args[0], Down: args[1] == "down"}})
	}
	if actor, ok := strings.CutSuffix(w[0], ":"); ok && actor != "" && len(args) > 0 {
		call, err := newCall(actor, args)
		if err != nil {
			return err
		}
		return add(Step{Call: call})
	}
	return fmt.Errorf("%q is nothing that happens; want firing, for, resolved, silence, health, change, post, receiver, say, end, or a name with a colon such as ann: and what she does", w[0])
}

// firing reads "<service> <AlertName> [severity] [label=value …]".
func (p *parser) firing(at time.Time, lasts time.Duration, w []string) error {
	plain, opts := options(w)
	if len(plain) < 2 || len(plain) > 3 {
		return fmt.Errorf("want <service> <AlertName> [severity] [label=value …], got %q", plain)
	}
	a := &alert{start: at, line: p.line, labels: map[string]string{}, annotations: map[string]string{}}
	for name, value := range opts {
		switch name {
		case "summary", "description":
			a.annotations[name] = value
		case "runbook":
			a.annotations["runbook_url"] = value
		case "began":
			d, err := duration(strings.TrimPrefix(value, "-"))
			if err != nil {
				return err
			}
			a.start = at.Add(-d)
		default:
			a.labels[name] = value
		}
	}
	namespace, service, found := strings.Cut(plain[0], "/")
	if !found {
		service, namespace = namespace, ""
	}
	maps.Copy(a.labels, map[string]string{"alertname": plain[1], "service": service})
	if namespace != "" {
		a.labels["namespace"] = namespace
	}
	if len(plain) == 3 {
		a.labels["severity"] = plain[2]
	}
	a.seen = at
	if lasts > 0 {
		a.end = at.Add(lasts)
	}
	return p.alertmanager.fire(a)
}

// resolved reads "<service> [<AlertName>]", "everything" or label=value ….
func (p *parser) resolved(at time.Time, w []string) error {
	plain, want := options(w)
	switch {
	case len(plain) == 1 && plain[0] == "everything" && len(want) == 0:
	case len(plain) == 0 && len(want) > 0:
	case len(plain) == 1 || len(plain) == 2:
		namespace, service, found := strings.Cut(plain[0], "/")
		if !found {
			service = namespace
		} else {
			want["namespace"] = namespace
		}
		want["service"] = service
		if len(plain) == 2 {
			want["alertname"] = plain[1]
		}
	default:
		return errors.New("want: resolved <service> [<AlertName>] [label=value …], or: resolved everything")
	}
	if p.alertmanager.end(at, want) == 0 {
		return fmt.Errorf("nothing fires then that has %v", want)
	}
	return nil
}

// silence reads "label=value … until 04:00 by ann "comment"".
func (p *parser) silence(at time.Time, w []string) error {
	plain, want := options(w)
	if len(plain) < 4 || plain[0] != "until" || plain[2] != "by" || len(want) == 0 {
		return errors.New(`want: silence label=value … until 04:00 by ann "comment"`)
	}
	until, err := p.time(plain[1])
	if err != nil {
		return err
	}
	p.alertmanager.silence(silence{matchers: want, from: at, until: until, by: plain[3], comment: strings.Join(plain[4:], " ")})
	for _, t := range []time.Time{at, until} {
		p.steps = append(p.steps, Step{At: t, Line: p.line, Asked: true})
	}
	return nil
}

// healthPost reads "<service> <status> ["message"] [check=… latency=…]".
func healthPost(at time.Time, w []string) (*Post, error) {
	plain, opts := options(w)
	if len(plain) < 2 {
		return nil, errors.New(`want: health <service> passing|degraded|failing|unknown ["message"] [check=…]`)
	}
	result := map[string]any{"service": plain[0], "status": plain[1], "message": strings.Join(plain[2:], " "), "at": at}
	for _, name := range slices.Sorted(maps.Keys(opts)) {
		result[name] = opts[name]
	}
	return jsonPost("/webhook/health", []any{result}, plain[0]+" is "+plain[1])
}

// changePost reads "<service> <kind> ["summary"] [ago=48h link=…]".
func changePost(at time.Time, w []string) (*Post, error) {
	plain, opts := options(w)
	if len(plain) < 2 {
		return nil, errors.New(`want: change <service> deploy|config|scale ["summary"] [ago=48h] [link=…]`)
	}
	if ago, ok := opts["ago"]; ok {
		d, err := duration(ago)
		if err != nil {
			return nil, err
		}
		at = at.Add(-d)
	}
	summary := strings.Join(plain[2:], " ")
	body := map[string]any{"service": plain[0], "kind": plain[1], "summary": summary, "at": at}
	if opts["link"] != "" {
		body["link"] = opts["link"]
	}
	return jsonPost("/webhook/change", body, plain[0]+" "+plain[1]+" "+summary)
}

func jsonPost(path string, body any, says string) (*Post, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return &Post{Path: path, Body: text, Says: says}, nil
}

func duration(text string) (time.Duration, error) {
	d, err := model.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration; want one such as 90s or 2h", text)
	}
	return time.Duration(d), nil
}

// words splits a line at spaces. What stands in double quotes stays whole, and JSON is one
// word to the end of the line.
func words(line string) ([]string, error) {
	var out []string
	var word strings.Builder
	begun, quoted := false, false
	for i, r := range line {
		switch {
		case !begun && !quoted && (strings.HasPrefix(line[i:], `{"`) || strings.HasPrefix(line[i:], "{}")):
			return append(out, line[i:]), nil
		case r == '"':
			quoted, begun = !quoted, true
		case r == ' ' && !quoted:
			if begun {
				out = append(out, word.String())
			}
			word.Reset()
			begun = false
		default:
			begun = true
			word.WriteRune(r)
		}
	}
	if quoted {
		return nil, errors.New("a quote is not closed")
	}
	if begun {
		out = append(out, word.String())
	}
	return out, nil
}

// options parts words into plain ones and key=value pairs.
func options(in []string) (plain []string, opts map[string]string) {
	opts = map[string]string{}
	for _, w := range in {
		if k, v, ok := strings.Cut(w, "="); ok && model.LegacyValidation.IsValidLabelName(k) {
			opts[k] = v
			continue
		}
		plain = append(plain, w)
	}
	return plain, opts
}

package day

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
)

// Day is one or more days, in the order of time.
type Day struct {
	Begin, End time.Time
	Steps      []Step
	// Alertmanager is what sends the alerts among the steps, for whoever asks it.
	Alertmanager *Alertmanager
}

// Step is something that happens. Exactly one of the pointers, or Say, is set.
type Step struct {
	At   time.Time
	Line int // of the text, from 1

	Say    string // to be read beside what happens
	Post   *Post
	Call   *Call
	Outage *Outage
	// Asked: the Alertmanager's silences are not what they were, and it should be asked.
	Asked bool
}

// Post is a request to Headwater's web port.
type Post struct {
	Path string
	Body []byte
	// Says what it is, in words; empty of a notification that holds nothing new.
	Says string
	// Fresh are the alerts that a notification tells of for the first time, Over those that
	// it says have ended, as "service AlertName".
	Fresh, Over []string
}

// Call is an operator's call of the API.
type Call struct {
	Actor string
	// Method is a full gRPC method, such as /headwater.v1.IncidentService/AddIncidentNote.
	Method            string
	Request, Response proto.Message
	Says              string // the words of the text
}

// Outage is that a receiver is out of order, or no longer.
type Outage struct {
	Receiver string
	Down     bool
}

// Parse reads a text. name is the file's, for errors, each of which is
// "name:line: what is wrong". read reads files that the text names.
func Parse(name, text string, read func(path string) ([]byte, error)) (*Day, error) {
	p := &parser{read: read, alertmanager: newAlertmanager()}
	var errs []error
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		p.line = i + 1
		if err := p.take(line); err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", name, p.line, err))
		}
	}
	if p.first.IsZero() && len(errs) == 0 {
		errs = append(errs, fmt.Errorf("%s: names no day; begin with a line such as: day 2026-11-17", name))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p.day(), nil
}

func (p *parser) day() *Day {
	if p.end.IsZero() {
		p.end = p.midnight.AddDate(0, 0, 1)
	}
	d := &Day{Begin: p.first, End: p.end, Alertmanager: p.alertmanager}
	d.Steps = slices.Concat(p.steps, p.alertmanager.steps(p.end))
	// Of what happens at one time the text's order counts, and monitoring comes last.
	slices.SortStableFunc(d.Steps, func(a, b Step) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(order(&a), order(&b)))
	})
	d.Steps = slices.DeleteFunc(d.Steps, func(s Step) bool { return s.At.After(p.end) })
	return d
}

func order(s *Step) int {
	if s.Post != nil || s.Asked {
		return 1
	}
	return 0
}

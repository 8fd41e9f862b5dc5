package file

import (
	"errors"
	"fmt"
)

// maxProblems bounds the errors reported together.
const maxProblems = 10

// place is where something was written.
type place struct {
	file string
	line int
}

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.line) }

// problems collects what is wrong, in the order of reading.
type problems struct {
	errs []error
	over int
}

// add notes a problem. Field is a path such as "dependencies[3].mode", or empty.
func (p *problems) add(at place, field, format string, args ...any) {
	if len(p.errs) == maxProblems {
		p.over++
		return
	}
	text := fmt.Sprintf(format, args...)
	if field != "" {
		text = field + ": " + text
	}
	p.errs = append(p.errs, fmt.Errorf("%s: %s", at, text))
}

func (p *problems) err() error {
	if p.over == 0 {
		return errors.Join(p.errs...)
	}
	return errors.Join(append(p.errs[:len(p.errs):len(p.errs)], fmt.Errorf("and %d more errors", p.over))...)
}

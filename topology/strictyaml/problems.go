package strictyaml

import (
	"errors"
	"fmt"
)

// Place is where something was written. Line counts from 1.
type Place struct {
	File string
	Line int
}

func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Problems collects what is wrong, in the order of reading.
type Problems struct {
	// Limit is how many are kept; the others are only counted.
	Limit int

	errs []error
	over int
}

// Add notes a problem that names its place already.
func (p *Problems) Add(err error) {
	if len(p.errs) >= p.Limit {
		p.over++
		return
	}
	p.errs = append(p.errs, err)
}

// AddAt notes a problem as place: path: text. An empty path is left out.
func (p *Problems) AddAt(at Place, path, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	p.Add(fmt.Errorf("%s: %s", at, text))
}

// Count is how many problems there were so far, beyond the limit too.
func (p *Problems) Count() int { return len(p.errs) + p.over }

// Err joins the problems, the last line saying how many more there were; nil when all is
// well.
func (p *Problems) Err() error {
	if p.over == 0 {
		return errors.Join(p.errs...)
	}
	return errors.Join(append(p.errs[:len(p.errs):len(p.errs)], fmt.Errorf("and %d more errors", p.over))...)
}

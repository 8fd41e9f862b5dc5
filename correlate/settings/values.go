package settings

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// maxProblems bounds the errors of one file that are reported together.
const maxProblems = 20

// Values reads the values of a configuration file. Its methods report problems and
// return zero values, so that reading goes on and finds the next one.
type Values struct{ strictyaml.Decoder }

// NewValues begins the reading of a file of that name.
func NewValues(file string) *Values {
	return &Values{strictyaml.Decoder{File: file, BlankIsNothing: true, Problems: strictyaml.Problems{Limit: maxProblems}}}
}

// Document is the root mapping of the only document in text; nil when it is empty.
func (d *Values) Document(text string) *yaml.Node {
	in := yaml.NewDecoder(strings.NewReader(text))
	var doc, next yaml.Node
	switch err := in.Decode(&doc); {
	case errors.Is(err, io.EOF), err == nil && (len(doc.Content) == 0 || strictyaml.IsNull(doc.Content[0])):
		return nil
	case err != nil:
		d.Add(strictyaml.SyntaxError(d.File, err))
		return nil
	}
	switch err := in.Decode(&next); {
	case errors.Is(err, io.EOF):
	case err != nil:
		d.Add(strictyaml.SyntaxError(d.File, err))
		return nil
	default:
		d.Bad(&next, "", "a second YAML document begins here; keep one document per file")
		return nil
	}
	return doc.Content[0]
}

// List reads the elements of a sequence where they were written: an alias is as good as
// what it stands for.
func (d *Values) List(n *yaml.Node, path string, each func(n *yaml.Node, path string)) {
	d.Sequence(n, path, func(n *yaml.Node, path string) { each(strictyaml.Target(n), path) })
}

// Scalar hands on a scalar's text; what is empty or no scalar is a problem.
func (d *Values) Scalar(n *yaml.Node, path, want string) (string, bool) {
	n = strictyaml.Target(n)
	if n.Kind != yaml.ScalarNode || strictyaml.IsNull(n) || strings.TrimSpace(n.Value) == "" {
		d.Bad(n, path, "is %s; write %s", d.Describe(n), want)
		return "", false
	}
	return n.Value, true
}

// Integer reads a whole number of at least least.
func (d *Values) Integer(n *yaml.Node, path string, least int) int {
	want := fmt.Sprintf("a whole number of at least %d", least)
	s, ok := d.Scalar(n, path, want)
	if !ok {
		return 0
	}
	i, err := strconv.Atoi(s)
	if err != nil || i < least {
		d.Bad(n, path, "%q is not %s", s, want)
		return 0
	}
	return i
}

// Probability reads one above 0 and up to 1.
func (d *Values) Probability(n *yaml.Node, path string) float64 {
	const want = "a probability above 0 and up to 1, such as 0.9"
	s, ok := d.Scalar(n, path, want)
	if !ok {
		return 0
	}
	p, err := strconv.ParseFloat(s, 64)
	if err != nil || !(p > 0 && p <= 1) {
		d.Bad(n, path, "%q is not %s", s, want)
		return 0
	}
	return p
}

// Duration reads a Prometheus duration.
func (d *Values) Duration(n *yaml.Node, path string) (model.Duration, bool) {
	const want = "a duration such as 30s, 10m or 7d"
	s, ok := d.Scalar(n, path, want)
	if !ok {
		return 0, false
	}
	v, err := model.ParseDuration(s)
	if err != nil {
		d.Bad(n, path, "%q is not %s", s, want)
		return 0, false
	}
	return v, true
}

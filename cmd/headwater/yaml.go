package main

import (
	"github.com/alecthomas/units"
	"go.yaml.in/yaml/v3"
)

// bytes reads a size in powers of 1024, as Prometheus does.
func (p *configParser) bytes(n *yaml.Node, path string) (int64, bool) {
	const want = "a size such as 512MiB or 8GiB"
	s, ok := p.Scalar(n, path, want)
	if !ok {
		return 0, false
	}
	if s == "0" {
		return 0, true
	}
	v, err := units.ParseBase2Bytes(s)
	if err != nil || v < 0 {
		p.Bad(n, path, "%q is not %s", s, want)
		return 0, false
	}
	return int64(v), true
}

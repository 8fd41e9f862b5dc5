package jaeger

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/discovery"
)

// answer is the body of GET /api/dependencies. Keys that are not listed do not matter.
type answer struct {
	Data   []link `json:"data"`
	Errors []struct {
		Message string `json:"msg"`
	} `json:"errors"`
}

// link is one edge. There may be several for one, of different days.
type link struct {
	Parent    string `json:"parent"`
	Child     string `json:"child"`
	CallCount uint64 `json:"callCount"`
}

type pair struct{ from, to string }

func (p pair) compare(o pair) int {
	return cmp.Or(cmp.Compare(p.from, o.from), cmp.Compare(p.to, o.to))
}

// Decode reads the body of an answer. An error means that it is none, or that it tells
// of one.
func Decode(body []byte) (discovery.Report, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return discovery.Report{}, fmt.Errorf("the answer is not the JSON of Jaeger's dependencies API: %w", err)
	}
	if len(a.Errors) > 0 {
		return discovery.Report{}, fmt.Errorf("jaeger answered: %s", a.Errors[0].Message)
	}
	var r discovery.Report
	edges, services := map[pair]bool{}, map[string]bool{}
	nameless := 0
	for _, l := range a.Data {
		from, to := strings.TrimSpace(l.Parent), strings.TrimSpace(l.Child)
		switch {
		case from == "" || to == "":
			nameless++
			continue
		case l.CallCount == 0:
			continue
		}
		services[from], services[to] = true, true
		if from != to {
			edges[pair{from, to}] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		r.Services = append(r.Services, topology.Service{Name: name})
	}
	for _, p := range slices.SortedFunc(maps.Keys(edges), pair.compare) {
		r.Dependencies = append(r.Dependencies, topology.Dependency{From: topology.Ref{Name: p.from}, To: topology.Ref{Name: p.to}})
	}
	if nameless > 0 {
		r.Warnings = append(r.Warnings, topology.Warning{Text: fmt.Sprintf("%d of %d edges name no service at one end", nameless, len(a.Data))})
	}
	return r, nil
}

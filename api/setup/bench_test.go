package setup_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/api/setup"
	"github.com/headwater-sre/headwater/topology"
)

// BenchmarkExamine looks at two bad weeks: 50,000 alerts of 300 services, a tenth of them with odd labels.
func BenchmarkExamine(b *testing.B) {
	var graph strings.Builder
	graph.WriteString("dependencies:\n")
	for i := 1; i < 300; i++ {
		fmt.Fprintf(&graph, "  - {from: svc%d, to: svc%d}\n", i, i/2)
	}
	resolver, err := topology.NewResolver(topology.ResolverConfig{})
	if err != nil {
		b.Fatal(err)
	}
	s := &setup.State{Now: now, Graph: build(b, graph.String())}
	s.Resolver = resolver
	for i := range 50_000 {
		label := "service"
		if i%10 == 0 {
			label = "component_id"
		}
		s.Alerts = append(s.Alerts, alert(-time.Duration(i)*24*time.Second, fmt.Sprintf("alertname=A%d %s=svc%d pod=", i%40, label, i%300)))
	}
	for b.Loop() {
		if r := setup.Examine(s); len(r.Findings) == 0 {
			b.Fatal("nothing found")
		}
	}
}

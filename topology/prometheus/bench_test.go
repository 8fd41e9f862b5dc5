package prometheus

import (
	"fmt"
	"testing"

	"github.com/prometheus/common/model"
)

// A refresh of a large mesh: 20,000 samples that are 10,000 edges.
func BenchmarkRefresh(b *testing.B) {
	edges, err := Preset("istio")
	if err != nil {
		b.Fatal(err)
	}
	s, err := NewSource(Options{Edges: edges})
	if err != nil {
		b.Fatal(err)
	}
	var answer model.Vector
	for i := range 10_000 {
		from, to := fmt.Sprintf("service-%d", i/5), fmt.Sprintf("service-%d", i%2000)
		for _, reporter := range []string{"source", "destination"} {
			answer = append(answer, &model.Sample{Value: 1, Metric: model.Metric{
				"reporter": model.LabelValue(reporter), "source_workload": model.LabelValue(from + "-v1"), "source_workload_namespace": "shop",
				"source_canonical_service": model.LabelValue(from), "destination_workload": model.LabelValue(to + "-v1"),
				"destination_workload_namespace": "shop", "destination_canonical_service": model.LabelValue(to),
				"destination_service_name": model.LabelValue(to), "destination_service_namespace": "shop",
			}})
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if r := s.learn(begun, answer, answer[:200], nil); len(r.Dependencies) < 9000 {
			b.Fatalf("%d edges", len(r.Dependencies))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(answer)), "ns/sample")
}

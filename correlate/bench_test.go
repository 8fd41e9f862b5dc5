package correlate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// BenchmarkStep measures what one alert costs the engine, in the situations that a
// day is made of. Each reports ns/alert and allocations per operation; an operation
// is one notification unless said otherwise.
func BenchmarkStep(b *testing.B) {
	b.Run("repeated", benchmarkRepeated)
	b.Run("new", benchmarkNew)
	b.Run("resolve", benchmarkResolve)
	b.Run("storm", benchmarkStorm)
	for _, open := range []int{10, 1000} {
		b.Run(fmt.Sprintf("beside-%d-open", open), func(b *testing.B) { benchmarkManyOpen(b, open) })
	}
	b.Run("collapse", benchmarkCollapse)
	b.Run("refresh", benchmarkRefresh)
}

// stage is an engine under a benchmark, with its own stream.
type stage struct {
	engine *correlate.Engine
	pos    uint64
	now    time.Time
}

func newStage(b *testing.B, spec topology.Spec) *stage {
	s := &stage{engine: newEngine(b, correlate.Config{}), now: epoch}
	s.step(&correlate.TopologyReport{Source: "bench", Spec: spec})
	return s
}

func (s *stage) step(sig correlate.Signal) *correlate.Delta {
	s.pos++
	return s.engine.Step(correlate.Input{Pos: s.pos, At: s.now, Signal: sig})
}

// pass lets d go by and all that is due in it happen.
func (s *stage) pass(d time.Duration) {
	s.now = s.now.Add(d)
	s.step(correlate.Tick{})
}

// shop is a graph of n services in five layers over ten databases.
func shop(n int) topology.Spec {
	spec := topology.Spec{Version: "bench"}
	name := func(i int) topology.Ref { return topology.Ref{Namespace: "shop", Name: fmt.Sprintf("svc-%04d", i)} }
	for i := range n {
		spec.Services = append(spec.Services, topology.Service{Name: name(i).Name, Namespace: "shop", Owner: fmt.Sprintf("team-%d", i%7)})
		for _, step := range []int{n / 5, n/5 + 3, n/5 + 11} {
			if i+step < n {
				spec.Dependencies = append(spec.Dependencies, topology.Dependency{From: name(i), To: name(i + step)})
			}
		}
	}
	return spec
}

// benchAlert is the k-th alert of a service, with the labels of a real rule.
func benchAlert(service, k int, starts time.Time) correlate.Alert {
	return correlate.Alert{
		Fingerprint: fmt.Sprintf("%08x%08x", service, k), StartsAt: starts,
		Labels: map[string]string{
			"alertname": "HighErrorRate", "severity": "critical", "namespace": "shop", "service": fmt.Sprintf("svc-%04d", service),
			"pod": fmt.Sprintf("svc-%04d-6d5c8b7f9-%05d", service, k), "prometheus": "monitoring/k8s", "job": "shop", "cluster": "prod-eu",
		},
		Annotations: map[string]string{"summary": "5 % of the answers are errors", "runbook_url": "https://runbooks.example/errors"},
	}
}

func benchBatch(alerts ...correlate.Alert) *correlate.AlertBatch {
	return &correlate.AlertBatch{Source: "alertmanager", Receiver: "headwater", Alerts: alerts}
}

// cascade is size alerts on a service and what depends on it.
func cascade(size int, starts time.Time) []correlate.Alert {
	var out []correlate.Alert
	for k := range size {
		out = append(out, benchAlert([]int{180, 140, 137, 100, 97, 60, 20}[k%7], k, starts.Add(time.Duration(k)*100*time.Millisecond)))
	}
	return out
}

func perAlert(b *testing.B, alerts int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*alerts), "ns/alert")
}

// The whole group is sent again, as Alertmanager does: nothing is news.
func benchmarkRepeated(b *testing.B) {
	const size = 40
	s := newStage(b, shop(200))
	batch := benchBatch(cascade(size, s.now)...)
	s.step(batch)
	s.pass(2 * time.Minute)
	b.ReportAllocs()
	for b.Loop() {
		s.now = s.now.Add(time.Second)
		s.step(batch)
	}
	perAlert(b, size)
}

// One new alert joins an open incident of forty, settling included, in an engine that has
// placed one before.
func benchmarkNew(b *testing.B) {
	const size = 40
	base := newStage(b, shop(200))
	base.step(benchBatch(cascade(size, base.now)...))
	base.pass(90 * time.Second)
	snapshot := base.engine.Snapshot()
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s := &stage{engine: restore(b, correlate.Config{}, snapshot), pos: base.pos, now: base.now}
		s.step(benchBatch(benchAlert(57, 0, s.now)))
		s.pass(2 * time.Second)
		batch := benchBatch(benchAlert(57, 1, s.now))
		b.StartTimer()
		s.step(batch)
		s.pass(2 * time.Second)
	}
	perAlert(b, 1)
}

// One alert of an incident of forty ends.
func benchmarkResolve(b *testing.B) {
	const size = 40
	base := newStage(b, shop(200))
	alerts := cascade(size, base.now)
	base.step(benchBatch(alerts...))
	base.pass(90 * time.Second)
	over := alerts[3]
	over.Status, over.EndsAt = correlate.Resolved, base.now
	snapshot, batch := base.engine.Snapshot(), benchBatch(over)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s := &stage{engine: restore(b, correlate.Config{}, snapshot), pos: base.pos, now: base.now}
		b.StartTimer()
		s.step(batch)
	}
	perAlert(b, 1)
}

// A thousand alerts of one failure within a hundred seconds, in notifications of
// fifty, settled and paged. An operation is the storm.
func benchmarkStorm(b *testing.B) {
	const size, group = 1000, 50
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s := newStage(b, shop(200))
		alerts := cascade(size, s.now)
		b.StartTimer()
		for i := 0; i < size; i += group {
			s.step(benchBatch(alerts[i : i+group]...))
			s.pass(5 * time.Second)
		}
		s.pass(time.Minute)
	}
	perAlert(b, size)
}

// Two thousand alerts on all four hundred services of a graph within ten seconds:
// everything is down and everybody says so. An operation is the collapse; the
// slowest single step is reported, since on-call waits for it.
func benchmarkCollapse(b *testing.B) {
	const services, size = 400, 2000
	var slowest time.Duration
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s := newStage(b, shop(services))
		var alerts []correlate.Alert
		for k := range size {
			alerts = append(alerts, benchAlert(k*7%services, k, s.now.Add(time.Duration(k)*5*time.Millisecond)))
		}
		s.now = s.now.Add(10 * time.Second)
		b.StartTimer()
		s.step(benchBatch(alerts...))
		for range 15 {
			start := time.Now()
			s.pass(4 * time.Second)
			slowest = max(slowest, time.Since(start))
		}
	}
	perAlert(b, size)
	b.ReportMetric(float64(slowest.Milliseconds()), "slowest-ms")
}

// The graph is reported anew while four hundred incidents are open that began
// twenty-five minutes apart, all on services that share one database: each is judged
// again. An operation is the report.
func benchmarkRefresh(b *testing.B) {
	const services = 400
	spec := topology.Spec{Version: "bench", Services: []topology.Service{{Name: "db", Namespace: "shop", Kind: topology.KindDatabase}}}
	for i := range services {
		ref := topology.Ref{Namespace: "shop", Name: fmt.Sprintf("svc-%04d", i)}
		spec.Services = append(spec.Services, topology.Service{Namespace: ref.Namespace, Name: ref.Name})
		spec.Dependencies = append(spec.Dependencies, topology.Dependency{From: ref, To: topology.Ref{Namespace: "shop", Name: "db"}})
	}
	s := newStage(b, spec)
	for i := range services {
		s.step(benchBatch(benchAlert(i, 0, s.now)))
		s.pass(25 * time.Minute)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.step(&correlate.TopologyReport{Source: "bench", Spec: spec})
		s.pass(10 * time.Second)
	}
	b.ReportMetric(float64(len(s.engine.Snapshot().Incidents)), "incidents")
}

// A new alert beside so many open incidents, each on a service of its own that has
// nothing to do with the others.
func benchmarkManyOpen(b *testing.B, open int) {
	services := open
	spec := topology.Spec{Version: "bench"}
	for i := range services {
		spec.Services = append(spec.Services, topology.Service{Namespace: "shop", Name: fmt.Sprintf("svc-%04d", i)})
	}
	base := newStage(b, spec)
	for i := range services {
		base.step(benchBatch(benchAlert(i, 0, base.now)))
	}
	base.pass(time.Minute)
	snapshot := base.engine.Snapshot()
	if len(snapshot.Incidents) != services {
		b.Fatalf("%d incidents are open", len(snapshot.Incidents))
	}
	s := &stage{engine: restore(b, correlate.Config{}, snapshot), pos: base.pos, now: base.now}
	k := 0
	b.ReportAllocs()
	for b.Loop() {
		k++
		s.step(benchBatch(benchAlert(k%services, k/services+1, s.now)))
		s.pass(20 * time.Second)
		if k%services == 0 { // so that the incidents stay of one size
			b.StopTimer()
			s = &stage{engine: restore(b, correlate.Config{}, snapshot), pos: base.pos, now: base.now}
			b.StartTimer()
		}
	}
	perAlert(b, 1)
}

package correlate_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// BenchmarkCost measures what the engine promises about its cost, one sub-benchmark for
// each promise. A step is one notification of one alert, with everything that fell due before it:
// no settling, page or closing is left out of the sum. ns/alert is the sum by the alerts that fired,
// placed-µs what a settling took by the alerts that it placed.
//
// The same failures are drawn for each size of the graph: anywhere in it, where a larger graph has fewer of
// them near each other, and in one region of a thousand services, where all that differs is the graph around it.
func BenchmarkCost(b *testing.B) {
	cost := costs{}
	for _, services := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("services=%d", services), func(b *testing.B) { benchmarkDay(b, services, services) })
		b.Run(fmt.Sprintf("region/services=%d", services), func(b *testing.B) { cost[b.Name()] = benchmarkDay(b, services, region) })
	}
	for _, open := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("open=%d", open), func(b *testing.B) { cost[b.Name()] = benchmarkOpen(b, open) })
	}
	b.Run("storm", benchmarkBigStorm)
	b.Run("memory", benchmarkMemory)
	b.Run("ratios", func(b *testing.B) {
		for b.Loop() { // nothing is left to be measured
		}
		cost.compare(b, "region/services=1000", "region/services=100000", "x-100-times-the-services")
		cost.compare(b, "open=1", "open=1000", "x-1000-times-the-incidents")
	})
}

// region is how many services the failures are drawn in that are to be alike in every graph.
const region = 1000

// costs is what one alert took, by benchmark, ns.
type costs map[string]float64

// compare reports how many times as much large took as small, if both ran.
func (c costs) compare(b *testing.B, small, large, unit string) {
	if s, l := c["BenchmarkCost/"+small], c["BenchmarkCost/"+large]; s > 0 && l > 0 {
		b.ReportMetric(l/s, unit)
	}
}

// estate is a graph of so many services with ten dependencies each: nine among the hundred
// that come next, as teams build on what is near them, and one anywhere further on. Every
// twentieth is a database. What depends on what is drawn once and for all.
func estate(services int) topology.Spec {
	const near, degree = 100, 10
	rng := rand.New(rand.NewPCG(1, 2))
	spec := topology.Spec{Version: "estate"}
	for i := range services {
		s := topology.Service{Namespace: "shop", Name: estateName(i), Owner: fmt.Sprintf("team-%d", i/near)}
		if i%20 == 19 {
			s.Kind = topology.KindDatabase
		}
		spec.Services = append(spec.Services, s)
	}
	for i := range services {
		drawn := map[int]bool{}
		for k := range min(degree, services-1-i) {
			reach := min(near, services-1-i)
			if k == 0 {
				reach = services - 1 - i
			}
			to := i + 1 + rng.IntN(reach)
			for drawn[to] {
				to = i + 1 + (to-i)%reach
			}
			drawn[to] = true
			spec.Dependencies = append(spec.Dependencies, topology.Dependency{From: spec.Services[i].Ref(), To: spec.Services[to].Ref()})
		}
	}
	return spec
}

func estateName(i int) string { return fmt.Sprintf("svc-%05d", i) }

// outage is one alert of a stream, from its start to its end.
type outage struct {
	alert      correlate.Alert
	begin, end time.Duration
}

// stream is what such an estate says on a bad day: single alerts all over it, failures that
// reach five to fifty services, a new one every so often, and all of it sent again every minute.
type stream struct {
	rng     *rand.Rand
	callers [][]int
	firings []outage
}

// All of them begin among the last services of the graph, as many as within says.
func newStream(spec topology.Spec, within int, length, between time.Duration) *stream {
	s := &stream{rng: rand.New(rand.NewPCG(3, 4)), callers: make([][]int, len(spec.Services))}
	at := map[topology.Ref]int{}
	for i := range spec.Services {
		at[spec.Services[i].Ref()] = i
	}
	for _, d := range spec.Dependencies {
		s.callers[at[d.To]] = append(s.callers[at[d.To]], at[d.From])
	}
	for t := time.Duration(0); t < length; t += 2 * time.Second {
		s.fire(len(spec.Services)-1-s.rng.IntN(within), t, 3*time.Minute)
	}
	for t := time.Duration(0); t < length; t += between {
		s.fail(len(spec.Services)-1-s.rng.IntN(within), 5+s.rng.IntN(46), t)
	}
	slices.SortStableFunc(s.firings, func(a, b outage) int { return int(a.begin - b.begin) })
	return s
}

// fail lets size services alert, beginning at one and spreading to what depends on it.
func (s *stream) fail(origin, size int, t time.Duration) {
	reached, todo := map[int]bool{origin: true}, []int{origin}
	for ; size > 0 && len(todo) > 0; size-- {
		n := todo[0]
		todo = todo[1:]
		s.fire(n, t, 4*time.Minute)
		t += time.Duration(s.rng.IntN(3000)) * time.Millisecond
		for _, c := range s.callers[n] {
			if !reached[c] && s.rng.IntN(2) == 0 {
				reached[c] = true
				todo = append(todo, c)
			}
		}
	}
}

func (s *stream) fire(service int, t, lasts time.Duration) {
	s.firings = append(s.firings, outage{alert: estateAlert(service, len(s.firings)), begin: t, end: t + lasts})
}

// estateAlert is the k-th alert of a stream. Its fingerprint tells its rule, service and pod apart.
func estateAlert(service, k int) correlate.Alert {
	rule := []string{"HighErrorRate", "HighLatency", "CPUSaturated"}[k%3]
	return correlate.Alert{
		Fingerprint: fmt.Sprintf("%08x%08x", service, k),
		Labels: map[string]string{
			"alertname": rule, "severity": "critical", "namespace": "shop", "service": estateName(service),
			"pod": fmt.Sprintf("%s-6d5c8b7f9-%05d", estateName(service), k), "cluster": "prod-eu",
		},
		Annotations: map[string]string{"summary": "5 % of the answers are errors"},
	}
}

// notice is one notification of one alert.
type notice struct {
	at    time.Duration
	alert correlate.Alert
}

// notices are the notifications of the stream in order: of each alert its start, a repeat every minute and its end.
func (s *stream) notices(start time.Time) []notice {
	var out []notice
	for _, f := range s.firings {
		a := f.alert
		a.StartsAt = start.Add(f.begin)
		for t := f.begin; t < f.end; t += time.Minute {
			out = append(out, notice{t, a})
		}
		a.Status, a.EndsAt = correlate.Resolved, start.Add(f.end)
		out = append(out, notice{f.end, a})
	}
	slices.SortStableFunc(out, func(a, b notice) int { return int(a.at - b.at) })
	return out
}

// send steps the engine through notices and returns how long each took, and what of
// that came to each alert that was placed.
func (s *stage) send(notices []notice) (took, placed []time.Duration) {
	start, known := s.now, map[correlate.AlertID]bool{}
	for _, n := range notices {
		s.now = start.Add(n.at)
		began := time.Now()
		delta := s.step(benchBatch(n.alert))
		took = append(took, time.Since(began))
		fresh := 0
		for _, a := range delta.Alerts {
			if id := a.ID(); a.Incident != "" && !known[id] {
				known[id] = true
				fresh++
			}
		}
		placed = append(placed, slices.Repeat([]time.Duration{took[len(took)-1] / time.Duration(max(1, fresh))}, fresh)...)
	}
	return took, placed
}

// quantiles reports the median, the 99th percentile and the maximum of took, in microseconds, and
// returns the median in nanoseconds.
func quantiles(b *testing.B, took []time.Duration, what string) float64 {
	slices.Sort(took)
	at := func(q float64) float64 {
		return float64(took[min(int(q*float64(len(took))), len(took)-1)].Nanoseconds()) / 1e3
	}
	b.ReportMetric(at(.5), what+"p50-µs")
	b.ReportMetric(at(.99), what+"p99-µs")
	b.ReportMetric(at(1), what+"max-µs")
	return at(.5) * 1e3
}

// A minute of a stream, warm: the same services alerted an hour ago. It returns ns/alert.
func benchmarkDay(b *testing.B, services, within int) float64 {
	const length, between = time.Minute, 30 * time.Second
	spec := estate(services)
	s := newStage(b, spec)
	stream := newStream(spec, within, length, between)
	s.send(stream.notices(s.now))
	var took, placed []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s.pass(time.Hour)
		notices := stream.notices(s.now)
		runtime.GC()
		b.StartTimer()
		t, p := s.send(notices)
		took, placed = append(took, t...), append(placed, p...)
	}
	perAlert := float64(b.Elapsed().Nanoseconds()) / float64(b.N*len(stream.firings))
	b.ReportMetric(perAlert, "ns/alert")
	quantiles(b, took, "step-")
	quantiles(b, placed, "placed-")
	return perAlert
}

// A new alert and the settling that places it, beside so many open incidents: single alerts
// all over the graph that began one after the other and go on.
// It returns the median, ns.
func benchmarkOpen(b *testing.B, open int) float64 {
	const services, spread = 100_000, 90
	s := newStage(b, estate(services))
	for i := range open {
		s.step(benchBatch(stamped(estateAlert(i*spread, i), s.now)))
		s.pass(11 * time.Minute)
	}
	b.ReportMetric(float64(len(s.engine.Snapshot().Incidents)), "incidents")
	var took []time.Duration
	k := open
	b.ReportAllocs()
	for b.Loop() {
		alert := stamped(estateAlert(services-2000+k%20, k), s.now)
		k++
		began := time.Now()
		s.step(benchBatch(alert))
		s.pass(time.Minute)
		took = append(took, time.Since(began))
		b.StopTimer()
		alert.Status = correlate.Resolved // it ends again, so the incidents stay as many
		s.step(benchBatch(alert))
		s.pass(45 * time.Minute)
		b.StartTimer()
	}
	return quantiles(b, took, "")
}

func stamped(a correlate.Alert, at time.Time) correlate.Alert {
	a.StartsAt = at
	return a
}

// Ten thousand alerts of one failure within two minutes, in notifications of fifty. An
// operation is the storm, paged and settled.
func benchmarkBigStorm(b *testing.B) {
	const size, group = 10_000, 50
	spec := estate(100_000)
	stream := newStream(spec, region, 0, time.Hour)
	stream.firings = nil
	stream.fail(99_000, 400, 0)
	var hit []int
	for _, f := range stream.firings {
		var n int
		_, _ = fmt.Sscanf(f.alert.Labels["service"], "svc-%d", &n)
		hit = append(hit, n)
	}
	var slowest time.Duration
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s := newStage(b, spec)
		runtime.GC()
		b.StartTimer()
		for k := 0; k < size; k += group {
			batch := benchBatch()
			for i := range group {
				batch.Alerts = append(batch.Alerts, stamped(estateAlert(hit[(k+i)*len(hit)/size], k+i), s.now))
			}
			s.step(batch)
			began := time.Now()
			s.pass(120 * time.Second * group / size)
			slowest = max(slowest, time.Since(began))
		}
		s.pass(time.Minute)
		b.StopTimer()
		b.ReportMetric(float64(len(s.engine.Snapshot().Incidents)), "incidents")
		b.ReportMetric(float64(len(hit)), "services")
		b.StartTimer()
	}
	b.ReportMetric(float64(slowest.Milliseconds()), "slowest-ms")
}

// What an open alert takes beyond its own labels and annotations: ten thousand of them in
// a thousand incidents.
func benchmarkMemory(b *testing.B) {
	const open, incidents = 10_000, 1000
	spec := estate(20_000)
	for b.Loop() {
		b.StopTimer()
		s := newStage(b, spec)
		for i := range incidents {
			s.step(benchBatch(stamped(estateAlert(i*19, i), s.now)))
		}
		s.pass(time.Minute)
		var alerts []correlate.Alert
		for k := range open {
			alerts = append(alerts, stamped(estateAlert(k%incidents*19, incidents+k), s.now))
		}
		before := heap()
		for i := range alerts {
			s.step(benchBatch(alerts[i]))
		}
		s.pass(time.Minute)
		b.ReportMetric(float64(heap()-before)/open, "bytes/alert")
		runtime.KeepAlive(alerts)
		runtime.KeepAlive(s)
		b.StartTimer()
	}
}

// heap is how much is in use after a collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

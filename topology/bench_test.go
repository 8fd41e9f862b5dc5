package topology

import (
	"fmt"
	"testing"
)

// meshSpec is a mesh of nodes services in which each depends on degree others, most of
// them near: 100,000 and 10 are the design size.
func meshSpec(nodes, degree int) Spec {
	spec := Spec{Version: "bench"}
	refs := make([]Ref, nodes)
	for i := range nodes {
		refs[i] = Ref{Namespace: fmt.Sprintf("ns-%d", i%50), Name: fmt.Sprintf("svc-%d", i)}
		spec.Services = append(spec.Services, Service{Name: refs[i].Name, Namespace: refs[i].Namespace})
	}
	state := uint64(1)
	for i := range nodes {
		for range degree {
			state = state*6364136223846793005 + 1442695040888963407
			to := (i + 1 + int(state>>33)%1000) % nodes
			spec.Dependencies = append(spec.Dependencies, Dependency{From: refs[i], To: refs[to], Mode: Mode(state >> 60 % 3)})
		}
	}
	return spec
}

func BenchmarkBuild(b *testing.B) {
	for _, size := range []struct{ nodes, degree int }{{1000, 5}, {100_000, 10}} {
		spec := meshSpec(size.nodes, size.degree)
		b.Run(fmt.Sprintf("nodes=%d/edges=%d", size.nodes, size.nodes*size.degree), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Build(spec); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDependents(b *testing.B) {
	g := mustBuild(b, meshSpec(100_000, 10))
	for _, depth := range []int{1, 2, 3} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			b.ReportAllocs()
			n, visited := 0, 0
			for b.Loop() {
				visited += len(g.Dependents(NodeID(n%g.Len()), depth))
				n += 7919
			}
			b.ReportMetric(float64(visited)/float64(b.N), "nodes/op")
		})
	}
}

func BenchmarkWhatBreaks(b *testing.B) {
	g := mustBuild(b, meshSpec(1000, 3))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		g.WhatBreaks(NodeID(n % g.Len()))
		n += 7
	}
}

func BenchmarkResolve(b *testing.B) {
	g := mustBuild(b, meshSpec(100_000, 10))
	defaults := newTestResolver(b, "")
	relabelled := newTestResolver(b, `[{source_labels: [service], target_label: __service__}]`)
	for _, c := range []struct {
		name  string
		r     *Resolver
		alert string
	}{
		{"service", defaults, `{alertname="HighErrorRate", severity="critical", cluster="prod", namespace="ns-7", service="svc-7", job="svc-7", route="/"}`},
		{"pod", defaults, `{alertname="KubePodCrashLooping", namespace="ns-7", pod="svc-7-579b9bff58-t2dbm", container="main", job="kube-state-metrics", instance="10.42.0.17:8080", reason="CrashLoopBackOff", severity="warning"}`},
		{"edge", defaults, `{alertname="IstioUpstreamErrors", source_workload="svc-7", source_workload_namespace="ns-7", destination_workload="svc-8", destination_workload_namespace="ns-8", reporter="source", severity="warning"}`},
		{"new", defaults, `{alertname="HighErrorRate", namespace="shop", service="cart", job="cart", severity="critical"}`},
		{"unmapped", defaults, `{alertname="Watchdog", severity="none", job="prometheus"}`},
		{"relabel", relabelled, `{alertname="HighErrorRate", namespace="ns-7", service="svc-7", job="svc-7", severity="critical"}`},
	} {
		alert := parseLabels(c.alert)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.r.Resolve(g, alert)
			}
		})
	}
}

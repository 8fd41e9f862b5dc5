package api

import (
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

// Probe is a check that the server itself runs.
type Probe struct {
	Service topology.Ref
	Check   string
	// Target, Module and Source are what is asked, how, and who asked for it.
	Target, Module, Source string
	Interval               time.Duration
	// The latest result. CheckedAt is zero while there is none.
	Status             correlate.HealthStatus
	Message            string
	CheckedAt          time.Time
	Latency            time.Duration
	Phases             []ProbePhase
	CertificateExpires time.Time
}

// ProbePhase is a part of a probe, and how long it took.
type ProbePhase struct {
	Name string
	Took time.Duration
}

func (p *Probe) key() checkKey {
	return checkKey{Namespace: p.Service.Namespace, Name: p.Service.Name, Check: p.Check}
}

// probeOf is what is known of a check's probe; nil when there is none. Probes are sorted.
func probeOf(probes []Probe, k checkKey) *pb.HealthProbe {
	i, found := slices.BinarySearchFunc(probes, k, func(p Probe, k checkKey) int { return compareChecks(p.key(), k) })
	if !found {
		return nil
	}
	p := &probes[i]
	out := &pb.HealthProbe{
		Target: p.Target, Module: p.Module, Source: p.Source, Interval: durationToProto(p.Interval), Status: pb.HealthStatus(p.Status) + 1, Message: p.Message,
		CheckedAt: timeToProto(p.CheckedAt), Latency: durationToProto(p.Latency), CertificateExpiresAt: timeToProto(p.CertificateExpires),
	}
	for _, phase := range p.Phases {
		out.Phases = append(out.Phases, &pb.HealthProbePhase{Name: phase.Name, Took: durationpb.New(phase.Took)})
	}
	return out
}

package api

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// A page of 1,000 incidents over an in-process connection, per incident.
func BenchmarkListIncidents(b *testing.B) {
	r := newRig(b)
	const incidents = 1000
	for n := uint64(1); n <= incidents; n++ {
		r.put(b, newIncident(n))
	}
	client := r.incidents(b)
	for name, req := range map[string]*pb.ListIncidentsRequest{
		"newest":   {PageSize: incidents},
		"severity": {PageSize: incidents, OrderBy: "severity desc"},
		"filtered": {PageSize: incidents, Filter: `state = "open" AND service : "cart" AND severity >= "error"`},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				resp, err := client.ListIncidents(b.Context(), req)
				if err != nil || len(resp.GetIncidents()) != incidents {
					b.Fatalf("%d incidents, %v", len(resp.GetIncidents()), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/incidents, "ns/incident")
		})
	}
}

// One changed incident until all of 100 clients have it, over the pace of a watch.
func BenchmarkWatchFanOut(b *testing.B) {
	for _, clients := range []int{1, 100} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			r := newRig(b)
			client := r.incidents(b)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			got := make(chan uint64, clients) // one report from each client for each change
			var running sync.WaitGroup
			for range clients {
				stream, err := client.WatchIncidents(ctx, &pb.WatchIncidentsRequest{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := stream.Recv(); err != nil {
					b.Fatal(err)
				}
				running.Go(func() {
					for {
						msg, err := stream.Recv()
						if err != nil {
							return
						}
						got <- msg.GetRevision()
					}
				})
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				revision := r.put(b, newIncident(1, func(i *correlate.Incident) { i.Alerts = n }))
				for range clients {
					for <-got < revision {
					}
				}
			}
			b.StopTimer()
			cancel()
			running.Wait()
		})
	}
}

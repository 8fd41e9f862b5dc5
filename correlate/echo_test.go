package correlate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// stormItems are so many alerts on so many services, a tenth of a second apart, in the order of their starts.
func stormItems(t *testing.T, services, alerts int) (*Engine, []*item) {
	t.Helper()
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	spec := topology.Spec{Version: "1", Services: []topology.Service{{Name: "db", Kind: topology.KindDatabase}}}
	for i := range services {
		name := fmt.Sprintf("svc-%d", i)
		spec.Services = append(spec.Services, topology.Service{Name: name})
		spec.Dependencies = append(spec.Dependencies, topology.Dependency{From: topology.Ref{Name: name}, To: topology.Ref{Name: "db"}})
	}
	now := time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)
	e.Step(Input{Pos: 1, At: now, Signal: &TopologyReport{Source: "file", Spec: spec}})
	batch := &AlertBatch{Source: "alertmanager"}
	for k := range alerts {
		batch.Alerts = append(batch.Alerts, Alert{
			Fingerprint: fmt.Sprintf("%016x", k), StartsAt: now.Add(time.Duration(k) * 100 * time.Millisecond),
			Labels: map[string]string{"alertname": "HighErrorRate", "service": fmt.Sprintf("svc-%d", k%services), "severity": "critical"},
		})
	}
	e.Step(Input{Pos: 2, At: now.Add(time.Duration(alerts) * 100 * time.Millisecond), Signal: batch})
	var items []*item
	for _, it := range e.items {
		items = append(items, it)
	}
	slices.SortFunc(items, compareItems)
	return e, items
}

func TestOfAStormFewAlertsAreTakenAsEvidenceAndEachOtherRidesWithOneOfItsService(t *testing.T) {
	for _, services := range []int{1, 30, 390} {
		e, items := stormItems(t, services, 3000)
		s := e.newScene(slices.Clone(items), false)
		if n := len(s.items); n > stormEvidence || n < services {
			t.Errorf("%d services: %d representatives, want one for each and at most %d", services, n, stormEvidence)
		}
		heard := map[*item]bool{}
		for k, rep := range s.items {
			s.with(int32(k), func(it *item) {
				if it.node != rep.node || it.began.Before(rep.began) || heard[it] {
					t.Errorf("%d services: %s rides with %s, of another service, later or not alone", services, it.id, rep.id)
				}
				heard[it] = true
			})
		}
		if len(heard) != len(items) {
			t.Errorf("%d services: %d of %d alerts are in the scene", services, len(heard), len(items))
		}
	}
}

func TestWhoStandsForWhomInAStormDoesNotDependOnTheOrderOfArrival(t *testing.T) {
	e, items := stormItems(t, 40, 2000)
	want := e.newScene(slices.Clone(items), false).items
	rng := rand.New(rand.NewPCG(1, 1))
	for range 5 {
		rng.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		if got := e.newScene(slices.Clone(items), false).items; !slices.Equal(got, want) {
			t.Fatal("another order gives other representatives")
		}
	}
}

func TestASceneOfOrdinarySizeHasNoEchoes(t *testing.T) {
	e, items := stormItems(t, 3, maxEvidence)
	if s := e.newScene(items, false); s.stormy() || len(s.items) != maxEvidence {
		t.Errorf("%d of %d alerts are representatives", len(s.items), maxEvidence)
	}
}

// Five thousand alerts of one failure end in one incident, which counts them all.
func TestAStormIsOneIncident(t *testing.T) {
	e, items := stormItems(t, 200, 5000)
	pos := uint64(2)
	for range 100 {
		at, ok := e.NextDeadline()
		if !ok || len(e.pending) == 0 && at.Sub(e.meta.Now) > time.Minute {
			break
		}
		pos++
		e.Step(Input{Pos: pos, At: at, Signal: Tick{}})
	}
	if len(e.incidents) != 1 {
		t.Fatalf("%d incidents", len(e.incidents))
	}
	for _, inc := range e.incidents {
		if inc.row.Alerts != len(items) || inc.row.Origin().Service.Name != "db" {
			t.Errorf("%d of %d alerts, origin %s", inc.row.Alerts, len(items), inc.row.Origin().Service)
		}
	}
}

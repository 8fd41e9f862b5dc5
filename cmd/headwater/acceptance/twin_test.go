//go:build acceptance

package acceptance

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// checkTwin has a second server apply the same stream from its beginning, without
// interruption, and wants the same incidents and alerts from it: what was decided
// must not depend on the crashes between.
func checkTwin(t *testing.T, place *site, config, topology string, want *record) {
	t.Helper()
	twin := newSite(t, config, topology)
	if err := os.CopyFS(filepath.Join(twin.storage, "stream"), os.DirFS(filepath.Join(place.storage, "stream"))); err != nil {
		t.Fatal(err)
	}
	h := twin.start(t)
	got := h.awaitQuiet(t)
	for id, i := range want.incidents {
		if diff := cmp.Diff(decided(i), decided(got.incidents[id]), protocmp.Transform()); diff != "" {
			t.Errorf("%s is another one without crashes (-with +without):\n%s", id, diff)
		}
	}
	for id, a := range want.alerts {
		if diff := cmp.Diff(settled(a), settled(got.alerts[id]), protocmp.Transform()); diff != "" {
			t.Errorf("alert %s fares otherwise without crashes (-with +without):\n%s", id, diff)
		}
	}
	if len(got.incidents) != len(want.incidents) || len(got.alerts) != len(want.alerts) {
		t.Errorf("without crashes there are %d incidents and %d alerts, want %d and %d",
			len(got.incidents), len(got.alerts), len(want.incidents), len(want.alerts))
	}
}

// decided is what the engine decided of an incident. Whether it is history by now
// depends on the time of asking, and deliveries are not the engine's.
func decided(i *pb.Incident) *pb.Incident {
	i = proto.CloneOf(i)
	if i == nil {
		return nil
	}
	i.Archived, i.Revision, i.UpdatedAt = false, 0, nil
	for _, p := range i.GetPages() {
		p.Deliveries, p.Done, p.Superseded = nil, false, false
	}
	return i
}

func settled(a *pb.Alert) *pb.Alert {
	a = proto.CloneOf(a)
	if a == nil {
		return nil
	}
	a.Archived, a.Revision = false, 0
	return a
}

package acceptance

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

var upgradeFrom = flag.String("upgrade.from", "", "write testdata/upgrade anew with the server of this revision; make upgrade-fixture")

// The fixture of the upgrade: what a server of an earlier revision left when it was
// killed, and what its API had said.
const upgradeFixture = "testdata/upgrade/storage.tar.gz"

// Storage that an earlier version left behind, killed with SIGKILL while incidents were in
// every state that there is, is opened by this version: it says of all of it what the
// earlier one had said, and then goes on where that one stopped.
func TestUpgradeOpensWhatAnEarlierVersionLeft(t *testing.T) {
	skipShort(t)
	if *upgradeFrom != "" {
		writeUpgradeFixture(t, *upgradeFrom)
	}
	hook := newCollector(t)
	// Nothing is due for ten years, however old the fixture is.
	place := newSite(t, upgradeConfig(waiting, hook.URL), upgradeTopology())
	before := new(account)
	if err := json.Unmarshal(unpack(t, upgradeFixture, place.dir), before); err != nil {
		t.Fatal(err)
	}
	t.Logf("written by %s: %d incidents, %d alerts, %d action items, %d learned figures",
		before.Revision, len(before.Incidents), len(before.Alerts), len(before.ActionItems), len(before.Learned))

	hook.breakDown(func() bool { return true })
	t.Run("it says the same", func(t *testing.T) {
		h := place.start(t)
		for _, lost := range before.notIn(h.account(t)) {
			t.Error(lost)
		}
		h.kill()
	})
	hook.breakDown(nil)
	t.Run("it delivers what was not delivered", func(t *testing.T) {
		h := place.start(t)
		h.settled(t)
		if got := hook.kinds(); !slices.Equal(got, []string{before.incidentOf(t, cellUndelivered) + " open"}) {
			t.Errorf("the receiver got %v, want that page alone", got)
		}
		h.kill()
	})
	write(t, place.config, upgradeConfig(quick, hook.URL))
	t.Run("it goes on", func(t *testing.T) { goesOn(t, place.start(t), hook, before) })
}

// goesOn ends everything that still fires, and wants each incident to take its way to the end.
func goesOn(t *testing.T, h *headwater, hook *collector, before *account) {
	// With another alert of the same time the waits of an incident are reckoned anew, by the
	// shorter ones that are set now.
	for _, cell := range []string{cellHeld, cellEnding} {
		began := h.await(t, cell, func(*pb.Incident) error { return nil }).GetStartedAt().AsTime()
		h.fireAt(t, cell, "api", began.Add(time.Second))
		h.await(t, cell, func(i *pb.Incident) error { return expect(i.GetAlerts(), 2, "alerts") })
	}
	held := before.incidentOf(t, cellHeld) + " open"
	eventually(t, "the held incident is paged", patience, func() error {
		return expect(occurrences(hook.kinds(), held), 1, held)
	})
	fresh := h.fire(t, cellLater, "web")
	h.await(t, cellLater, func(i *pb.Incident) error { return expect(openings(i), 1, "opening pages") })
	h.endAll(t)
	r := h.awaitQuiet(t)
	if a := r.alerts[fresh.id()]; a == nil || r.incidents[a.GetIncident()] == nil || before.Incidents[a.GetIncident()] != nil {
		t.Errorf("what fired after the upgrade is in no incident of its own: %v", a)
	}
	for _, cell := range []string{cellPaged, cellAcknowledged, cellReopened, cellSplit, cellProbed, cellUndelivered, cellHeld, cellEnding} {
		if n := occurrences(hook.kinds(), before.incidentOf(t, cell)+" resolved"); n != 1 {
			t.Errorf("%s: resolved %d times, want once", cell, n)
		}
	}
	for _, cell := range []string{cellPaged, cellAcknowledged, cellReopened, cellSplit, cellProbed, cellEnding} {
		if n := occurrences(hook.kinds(), before.incidentOf(t, cell)+" open"); n != 0 {
			t.Errorf("%s had been paged before the upgrade, and was once more", cell)
		}
	}
	h.workOn(t, before.incidentOf(t, cellClosed))
	if code := h.stop(t); code != 0 {
		t.Errorf("stopped with code %d", code)
	}
}

// workOn does to an incident of the earlier version what people still may.
func (h *headwater) workOn(t *testing.T, id string) {
	t.Helper()
	conn := h.dial(t)
	if _, err := pb.NewIncidentServiceClient(conn).AddIncidentNote(t.Context(), &pb.AddIncidentNoteRequest{Id: id, Actor: "ann", Note: "read again"}); err != nil {
		t.Errorf("a note to %s: %v", id, err)
	}
	items := pb.NewActionItemServiceClient(conn)
	open, err := items.ListActionItems(t.Context(), &pb.ListActionItemsRequest{})
	if err != nil || len(open.GetActionItems()) == 0 {
		t.Fatalf("action items: %v, %v", open, err)
	}
	done := &pb.UpdateActionItemRequest{Id: open.GetActionItems()[0].GetId(), Status: pb.ActionStatus_ACTION_STATUS_DONE, Actor: "ben"}
	if _, err := items.UpdateActionItem(t.Context(), done); err != nil {
		t.Errorf("end %s: %v", done.GetId(), err)
	}
}

func occurrences(list []string, of string) int {
	n := 0
	for _, s := range list {
		if s == of {
			n++
		}
	}
	return n
}

// account is everything that a server's API says, in the API's JSON.
type account struct {
	Revision    string                     `json:"revision"`
	Incidents   map[string]json.RawMessage `json:"incidents"`
	Alerts      map[string]json.RawMessage `json:"alerts"`
	Health      map[string]json.RawMessage `json:"health"`
	ActionItems map[string]json.RawMessage `json:"actionItems"`
	Learned     map[string]json.RawMessage `json:"learned"`
	Topology    json.RawMessage            `json:"topology"`
}

// account reads it.
func (h *headwater) account(t testing.TB) *account {
	t.Helper()
	conn := h.dial(t)
	r, err := readRecord(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	a := &account{
		Incidents: map[string]json.RawMessage{}, Alerts: map[string]json.RawMessage{}, Health: map[string]json.RawMessage{},
		ActionItems: map[string]json.RawMessage{}, Learned: map[string]json.RawMessage{},
	}
	for id, i := range r.incidents {
		a.Incidents[id] = jsonOf(t, i)
	}
	for id, alert := range r.alerts {
		a.Alerts[string(id)] = jsonOf(t, alert)
	}
	for service, check := range r.health {
		a.Health[service] = jsonOf(t, check)
	}
	items, err := pb.NewActionItemServiceClient(conn).ListActionItems(t.Context(), &pb.ListActionItemsRequest{PageSize: 200})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items.GetActionItems() {
		a.ActionItems[item.GetId()] = jsonOf(t, item)
	}
	learned, err := pb.NewLearningServiceClient(conn).ListLearned(t.Context(), &pb.ListLearnedRequest{PageSize: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range learned.GetFigures() {
		a.Learned[f.GetKind().String()+" "+f.GetSubject()] = jsonOf(t, f)
	}
	graph, err := pb.NewTopologyServiceClient(conn).GetTopology(t.Context(), &pb.GetTopologyRequest{})
	if err != nil {
		t.Fatal(err)
	}
	a.Topology = jsonOf(t, graph.GetTopology())
	return a
}

func jsonOf(t testing.TB, m proto.Message) json.RawMessage {
	t.Helper()
	text, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// isOf reports whether an incident hit a service of a cell.
func isOf(i *pb.Incident, cell string) bool {
	return slices.ContainsFunc(i.GetServices(), func(s *pb.ServiceImpact) bool { return s.GetService().GetNamespace() == cell })
}

// incidentOf is a cell's first incident.
func (a *account) incidentOf(t testing.TB, cell string) string {
	t.Helper()
	first := new(pb.Incident)
	for id, text := range a.Incidents {
		i := new(pb.Incident)
		if err := protojson.Unmarshal(text, i); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if isOf(i, cell) && (first.GetNumber() == 0 || i.GetNumber() < first.GetNumber()) {
			first = i
		}
	}
	if first.GetNumber() == 0 {
		t.Fatalf("no incident of %s", cell)
	}
	return first.GetId()
}

// notIn lists what a says and later does not, or otherwise. What later says beyond
// that is news.
func (a *account) notIn(later *account) []string {
	var lost []string
	for _, kind := range []struct {
		name          string
		before, after map[string]json.RawMessage
	}{
		{"incident", a.Incidents, later.Incidents},
		{"alert", a.Alerts, later.Alerts},
		{"health of", a.Health, later.Health},
		{"action item", a.ActionItems, later.ActionItems},
		{"learned", a.Learned, later.Learned},
		{"", map[string]json.RawMessage{"topology": a.Topology}, map[string]json.RawMessage{"topology": later.Topology}},
	} {
		for _, id := range slices.Sorted(maps.Keys(kind.before)) {
			lost = append(lost, missing(strings.TrimSpace(kind.name+" "+id), value(kind.before[id]), value(kind.after[id]))...)
		}
	}
	return lost
}

// passing are fields that change with the wording of a version, with the time, or with
// another attempt at a receiver that is down.
var passing = []string{"headline", "text", "revision", "updatedAt", "seen", "seenAgainst", "estimate", "attempts", "lastError"}

// missing lists what before says and after does not.
func missing(path string, before, after any) []string {
	switch before := before.(type) {
	case map[string]any:
		later, _ := after.(map[string]any)
		var lost []string
		for _, name := range slices.Sorted(maps.Keys(before)) {
			if !slices.Contains(passing, name) {
				lost = append(lost, missing(path+"."+name, before[name], later[name])...)
			}
		}
		return lost
	case []any:
		later, _ := after.([]any)
		if len(later) != len(before) {
			return []string{fmt.Sprintf("%s: was %v, is %v", path, before, after)}
		}
		var lost []string
		for i := range before {
			lost = append(lost, missing(fmt.Sprintf("%s[%d]", path, i), before[i], later[i])...)
		}
		return lost
	}
	if before != after {
		return []string{fmt.Sprintf("%s: was %v, is %v", path, before, after)}
	}
	return nil
}

func value(text json.RawMessage) any {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return nil // not there
	}
	return v
}

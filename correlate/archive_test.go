package correlate

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestIdsAreReadAsTheyAreWritten(t *testing.T) {
	for id, ok := range map[string]bool{
		"INC-1": true, "INC-0": true, "prod-eu.INC-41": true, "staging.prod-eu.INC-41": true,
		"": false, "INC-": false, "INC-01": false, "INC-+1": false, "AI-1": false, ".INC-1": false, "prod.": false,
		"INC-9223372036854775808": false, "prod.INC-4294967296": false, "prod.INC-01": false, "INC-1.prod": false,
	} {
		if _, got := IncidentNumber(id); got != ok {
			t.Errorf("%q: %t, want %t", id, got, ok)
		}
	}
	if n, _ := ActionItemNumber("AI-7"); n != 7 {
		t.Errorf("AI-7 has number %d", n)
	}
}

func TestImportedIncidentsComeBehindOursAndKeepTheirOrder(t *testing.T) {
	number := func(t *rapid.T, id string) uint64 {
		n, ok := IncidentNumber(id)
		if !ok {
			t.Fatalf("%s has no number", id)
		}
		return n
	}
	rapid.Check(t, func(t *rapid.T) {
		environment := rapid.StringMatching(`[a-z_-]{1,8}`).Draw(t, "environment")
		a, b := rapid.Uint64Range(1, maxImported).Draw(t, "a"), rapid.Uint64Range(1, maxImported).Draw(t, "b")
		here, there := number(t, ImportedID(environment, incidentID(a))), number(t, ImportedID(environment, incidentID(b)))
		if (here < there) != (a < b) || (here == there) != (a == b) {
			t.Fatalf("INC-%d and INC-%d are in another order here: %d, %d", a, b, here, there)
		}
		if ours := number(t, incidentID(a)); int64(here) >= int64(ours) || ours != a {
			t.Fatalf("imported %d is not behind ours, %d", here, ours)
		}
	})
}

// imported is an incident of another environment as it is here.
func imported() *Import {
	at := time.Date(2026, 11, 1, 3, 0, 0, 0, time.UTC)
	im := &Import{
		Environment: "prod", Actor: "ann", Source: "hwctl",
		Incident: &Incident{ID: "INC-4", Number: 4, State: IncidentResolved, OpenedAt: at, ResolvedAt: at.Add(time.Hour), Kept: true, Archived: true},
		Alerts:   []*AlertState{{Alert: Alert{Fingerprint: "f", StartsAt: at}, Incident: "INC-4", Bond: 3}},
		Actions:  []*ActionItem{{ID: "AI-2", Number: 2, Incident: "INC-4", Text: "raise the pool"}},
	}
	return im.Localize()
}

func TestAnImportIsHistoryAndRemembered(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	im := imported()
	before, snapshot := *im.Incident, e.Snapshot()
	now := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	d := e.Step(Input{Pos: 9, At: now, Signal: im})
	if d.Rejected != "" || len(d.Imports) != 1 || len(d.Incidents)+len(d.Alerts)+len(d.Actions)+len(d.Pages) != 0 {
		t.Fatalf("delta %+v", d)
	}
	row := d.Imports[0].Incident
	if row.ID != "prod.INC-4" || row.Kept || !row.Archived || row.Revision != 9 || !row.Imported() {
		t.Errorf("incident %+v", row)
	}
	if note := row.Timeline[0]; note.Text != "imported from prod" || note.Actor != "ann" || note.Source != "hwctl" || !note.At.Equal(now) {
		t.Errorf("timeline %+v", row.Timeline)
	}
	if a := d.Imports[0].Alerts[0]; a.Incident != "prod.INC-4" || !a.Archived || a.Bond != 0 || !a.Imported() {
		t.Errorf("alert %+v", a)
	}
	if a := d.Imports[0].Actions[0]; a.ID != "prod.AI-2" || a.Incident != "prod.INC-4" || !a.Archived {
		t.Errorf("action item %+v", a)
	}
	if diff := cmp.Diff(&before, im.Incident); diff != "" {
		t.Errorf("the input was changed:\n%s", diff)
	}
	after := e.Snapshot()
	if len(after.Past) != 1 || len(d.Past) != 1 || after.Past[0].Incident != "prod.INC-4" {
		t.Errorf("remembered %+v", after.Past)
	}
	after.Meta, after.Past = snapshot.Meta, nil
	if diff := cmp.Diff(snapshot, after, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the engine's state changed:\n%s", diff)
	}
}

func TestOnlyHistoryOfOthersIsImported(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Import){
		"ends in the future":            func(im *Import) { im.Incident.ResolvedAt = time.Now().Add(time.Hour) },
		"goes on":                       func(im *Import) { im.Incident.State = IncidentOpen },
		`"INC-4" is not the id`:         func(im *Import) { im.Incident.ID, im.Incident.Number = "INC-4", 4 },
		`"prod.INC-4" is not the id`:    func(im *Import) { im.Incident.Number = 4 },
		"is in no incident of another":  func(im *Import) { im.Alerts[0].Incident = "INC-4" },
		`"AI-2" is not the id of an`:    func(im *Import) { im.Actions[0].ID = "AI-2" },
		`"prod.AI-2" is not the id of `: func(im *Import) { im.Actions[0].Number = 2 },
	} {
		im := imported()
		change(im)
		d := e.Step(Input{Pos: e.meta.Pos + 1, At: time.Now(), Signal: im})
		if !strings.Contains(d.Rejected, want) || len(d.Imports) != 0 {
			t.Errorf("want %q, got %q", want, d.Rejected)
		}
	}
}

package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func statusEnum(s correlate.Status) pb.IncidentStatus { return pb.IncidentStatus(s) + 1 }

func TestAnIncidentIsWorkedOnAndClosed(t *testing.T) {
	r := newRig(t)
	r.shop(t)
	id := r.openIncident(t, "web")
	client := r.incidents(t)
	var i *pb.Incident
	done := func(answer interface{ GetIncident() *pb.Incident }, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		i = answer.GetIncident()
	}
	answer1, err := client.SetIncidentSeverity(t.Context(), &pb.SetIncidentSeverityRequest{Id: id, Severity: pb.IncidentSeverity_INCIDENT_SEVERITY_SEV1, Actor: "ann", Note: "checkout"})
	done(answer1, err)
	if i.GetIncidentSeverity() != pb.IncidentSeverity_INCIDENT_SEVERITY_SEV1 || i.GetIncidentSeverityReason() != "set by ann: checkout" || i.GetSetSeverity().GetActor() != "ann" {
		t.Errorf("severity %v", i)
	}
	answer2, err := client.AssignIncidentRole(t.Context(), &pb.AssignIncidentRoleRequest{Id: id, Role: "IC", Assignee: "ann", Actor: "ann"})
	done(answer2, err)
	if len(i.GetRoles()) != 1 || i.GetRoles()[0].GetRole() != "incident-commander" || i.GetRoles()[0].GetAssignee() != "ann" {
		t.Errorf("roles %v", i.GetRoles())
	}
	answer3, err := client.SetIncidentLink(t.Context(), &pb.SetIncidentLinkRequest{Id: id, Title: "bridge", Url: "https://meet.example/1"})
	done(answer3, err)
	if len(i.GetLinks()) != 1 || i.GetLinks()[0].GetUrl() != "https://meet.example/1" {
		t.Errorf("links %v", i.GetLinks())
	}
	answer4, err := client.AddIncidentUpdate(t.Context(), &pb.AddIncidentUpdateRequest{Id: id, Text: "Orders may fail.", Public: true, Actor: "cho"})
	done(answer4, err)
	last := i.GetTimeline()[len(i.GetTimeline())-1]
	if last.GetKind() != pb.TimelineKind_TIMELINE_KIND_PUBLIC_UPDATE || last.GetActor() != "cho" || last.GetSource() != "rest" && last.GetSource() != "grpc" || last.GetText() != "Orders may fail." {
		t.Errorf("told %v", last)
	}
	for _, s := range []correlate.Status{correlate.StatusInvestigating, correlate.StatusMitigating, correlate.StatusResolved, correlate.StatusClosed} {
		answer, err := client.SetIncidentStatus(t.Context(), &pb.SetIncidentStatusRequest{Id: id, Status: statusEnum(s), Actor: "ben", Note: "so it is"})
		done(answer, err)
		if i.GetStatus() != statusEnum(s) {
			t.Errorf("status %s, want %s", i.GetStatus(), s)
		}
	}
	if i.GetClosed().GetActor() != "ben" || i.GetClosed().GetNote() != "so it is" || i.GetState() != pb.IncidentState_INCIDENT_STATE_RESOLVED {
		t.Errorf("closed %v, state %s", i.GetClosed(), i.GetState())
	}
}

func TestAStatusThatCannotBeNamesThoseThatCan(t *testing.T) {
	r := newRig(t)
	r.shop(t)
	id := r.openIncident(t, "web")
	client := r.incidents(t)
	_, err := client.SetIncidentStatus(t.Context(), &pb.SetIncidentStatusRequest{Id: id, Status: statusEnum(correlate.StatusClosed), Note: "done"})
	info := reasonOf(err)
	if status.Code(err) != codes.FailedPrecondition || info.GetMetadata()["status"] != "detected" || info.GetMetadata()["allowed"] != "investigating,identified,mitigating,resolved" {
		t.Errorf("%v, %v", err, info)
	}
	for _, bad := range []pb.IncidentStatus{0, 77} {
		if _, err := client.SetIncidentStatus(t.Context(), &pb.SetIncidentStatusRequest{Id: id, Status: bad}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("status %d: %v", bad, err)
		}
	}
}

// Two people who looked at the same state cannot both act on it.
func TestOfTwoWhoSawTheSameRevisionOneIsAborted(t *testing.T) {
	r := newRig(t)
	r.shop(t)
	id := r.openIncident(t, "web")
	client := r.incidents(t)
	read, err := client.GetIncident(t.Context(), &pb.GetIncidentRequest{Id: id})
	if err != nil {
		t.Fatal(err)
	}
	etag := fmt.Sprint(read.GetIncident().GetRevision())
	first, err := client.AssignIncidentRole(t.Context(), &pb.AssignIncidentRoleRequest{Id: id, Role: "ic", Assignee: "ann", Etag: etag})
	if err != nil {
		t.Fatal(err)
	}
	now := fmt.Sprint(first.GetIncident().GetRevision())
	_, err = client.AssignIncidentRole(t.Context(), &pb.AssignIncidentRoleRequest{Id: id, Role: "ic", Assignee: "ben", Etag: etag})
	if info := reasonOf(err); status.Code(err) != codes.Aborted || info.GetReason() != reasonETag || info.GetMetadata()["revision"] != now {
		t.Errorf("want ABORTED with revision %s; %v, %v", now, err, info)
	}
	if _, err := client.AddIncidentNote(t.Context(), &pb.AddIncidentNoteRequest{Id: id, Note: "x", Etag: "W/abc"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("an etag that is none: %v", err)
	}
}

// The incident changes between the look at it and the command's turn in the stream.
func TestAnEtagIsJudgedAtTheCommandsTurn(t *testing.T) {
	r := newRig(t)
	r.shop(t)
	id := r.openIncident(t, "web")
	client := r.incidents(t)
	read, err := client.GetIncident(t.Context(), &pb.GetIncidentRequest{Id: id})
	if err != nil {
		t.Fatal(err)
	}
	r.stream.beforeIt = func() {
		r.stream.beforeIt = nil
		r.stream.feed(t, time.Second, &correlate.Command{Kind: correlate.CommandAddNote, Incident: id, Text: "first"})
	}
	_, err = client.AcknowledgeIncident(t.Context(), &pb.AcknowledgeIncidentRequest{Id: id, Etag: fmt.Sprint(read.GetIncident().GetRevision())})
	if status.Code(err) != codes.Aborted {
		t.Errorf("want ABORTED, got %v", err)
	}
	after, err := client.GetIncident(t.Context(), &pb.GetIncidentRequest{Id: id})
	if err != nil || after.GetIncident().GetAcknowledgement() != nil {
		t.Errorf("it was carried out all the same: %v, %v", after.GetIncident().GetAcknowledgement(), err)
	}
}

func TestDetachingIsAnsweredWithBothIncidents(t *testing.T) {
	r := newRig(t)
	r.shop(t)
	id := r.openIncident(t, "cart")
	if again := r.openIncident(t, "web"); again != id {
		t.Fatalf("the alert on web opened %s; the test wants it in %s", again, id)
	}
	both, err := r.incidents(t).DetachIncidentAlerts(t.Context(), &pb.DetachIncidentAlertsRequest{Id: id, Services: []string{"web"}, Note: "an experiment"})
	if err != nil {
		t.Fatal(err)
	}
	if rest, left := both.GetIncident(), both.GetDetachedIncident(); rest.GetId() != id || left.GetSplitFrom() != id || left.GetAlerts() != 1 || left.GetPaging().GetDueAt() != nil {
		t.Errorf("%v\n%v", rest, left)
	}
	if _, err := r.incidents(t).DetachIncidentAlerts(t.Context(), &pb.DetachIncidentAlertsRequest{Id: id}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("nothing named: %v", err)
	}
}

func TestLinksLeadOnlyWhereABrowserMayGo(t *testing.T) {
	r := newRig(t)
	r.shop(t)
	id := r.openIncident(t, "web")
	for address, ok := range map[string]bool{
		"https://meet.example/1": true, "tel:+123456": true, "slack://channel?id=1": true,
		"javascript:alert(1)": false, "data:text/html,x": false, "//meet.example": false, "http://": false, "meet": false, "https://a b": false,
		"https://x.example/" + strings.Repeat("y", maxURLBytes): false,
	} {
		_, err := r.incidents(t).SetIncidentLink(t.Context(), &pb.SetIncidentLinkRequest{Id: id, Title: "bridge", Url: address})
		if (err == nil) != ok || !ok && status.Code(err) != codes.InvalidArgument {
			t.Errorf("%.40s: %v", address, err)
		}
	}
	if _, err := r.incidents(t).SetIncidentLink(t.Context(), &pb.SetIncidentLinkRequest{Id: id, Title: "a\nb", Url: "https://x.example"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a title of two lines: %v", err)
	}
}

func TestIncidentsAreListedBySeverityAndStatus(t *testing.T) {
	r := newRig(t)
	r.put(t,
		newIncident(1, func(i *correlate.Incident) { i.Sev = correlate.Sev3 }),
		newIncident(2, func(i *correlate.Incident) { i.Sev, i.Status = correlate.Sev1, correlate.StatusMitigating }),
		newIncident(3, func(i *correlate.Incident) {
			i.Sev, i.Roles = correlate.Sev2, []correlate.Role{{Name: "scribe", Who: "dee"}}
		}),
		newIncident(4))
	for filter, want := range map[string]string{
		`incident_severity <= sev2`:                    "INC-2 INC-3",
		`incident_severity = "INCIDENT_SEVERITY_SEV3"`: "INC-1",
		`status = mitigating`:                          "INC-2",
		`role = dee`:                                   "INC-3",
		``:                                             "INC-2 INC-3 INC-1 INC-4",
	} {
		list, err := r.incidents(t).ListIncidents(t.Context(), &pb.ListIncidentsRequest{Filter: filter, OrderBy: "incident_severity"})
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, i := range list.GetIncidents() {
			ids = append(ids, i.GetId())
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: %s, want %s", filter, got, want)
		}
	}
}

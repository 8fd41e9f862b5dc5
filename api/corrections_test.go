package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

// shop feeds a graph in which web depends on cart and search.
func (r *rig) shop(t testing.TB) {
	t.Helper()
	ref := func(name string) topology.Ref { return topology.Ref{Name: name} }
	r.stream.feed(t, time.Second, &correlate.TopologyReport{Source: "test", Spec: topology.Spec{
		Version:      "1",
		Services:     []topology.Service{{Name: "web"}, {Name: "cart"}, {Name: "search"}, {Name: "batch"}},
		Dependencies: []topology.Dependency{{From: ref("web"), To: ref("cart")}, {From: ref("web"), To: ref("search")}},
	}})
}

func TestTheOriginIsSetAndWithdrawn(t *testing.T) {
	r := newRig(t)
	r.shop(t)
	id := r.openIncident(t, "web")
	client := r.incidents(t)
	set, err := client.SetIncidentOrigin(t.Context(), &pb.SetIncidentOriginRequest{Id: id, Service: "search", Actor: "night shift", Note: "index gone"})
	if err != nil {
		t.Fatal(err)
	}
	first := set.GetIncident().GetOrigins()[0]
	if first.GetService().GetName() != "search" || first.GetProbability() != 1 || first.GetReasons()[0].GetText() != "set by night shift: index gone" {
		t.Errorf("first origin %v", first)
	}
	if said := set.GetIncident().GetSetOrigin(); said.GetActor() != "night shift" || said.GetNote() != "index gone" || said.GetAt() == nil || said.GetService().GetName() != "search" {
		t.Errorf("said %v", said)
	}
	back, err := client.SetIncidentOrigin(t.Context(), &pb.SetIncidentOriginRequest{Id: id})
	if err != nil || back.GetIncident().GetSetOrigin() != nil || back.GetIncident().GetOrigins()[0].GetProbability() == 1 {
		t.Errorf("withdrawn: %v, %v", back.GetIncident().GetOrigins(), err)
	}
	for text, req := range map[string]*pb.SetIncidentOriginRequest{
		`has no service "nowhere"`: {Id: id, Service: "nowhere"},
		"was not set by anybody":   {Id: id},
	} {
		if _, err := client.SetIncidentOrigin(t.Context(), req); reasonOf(err).GetReason() != reasonRejected || !strings.Contains(err.Error(), text) {
			t.Errorf("%v: %v", req, err)
		}
	}
}

func TestAMergeIsAnsweredWithTheIncidentThatGoesOn(t *testing.T) {
	r := newRig(t)
	r.shop(t)
	older, younger := r.openIncident(t, "cart"), r.openIncident(t, "batch")
	client := r.incidents(t)
	merged, err := client.MergeIncidents(t.Context(), &pb.MergeIncidentsRequest{Id: older, Into: younger, Note: "one configuration"})
	if err != nil {
		t.Fatal(err)
	}
	if i := merged.GetIncident(); i.GetId() != older || i.GetAlerts() != 2 || len(i.GetMerged()) != 1 || i.GetMerged()[0] != younger {
		t.Errorf("the older one goes on, with both alerts and the other's id; got %s, %d alerts, merged %v", i.GetId(), i.GetAlerts(), i.GetMerged())
	}
	if _, err := client.MergeIncidents(t.Context(), &pb.MergeIncidentsRequest{Id: older, Into: younger}); reasonOf(err).GetMetadata()["merged_into"] != older {
		t.Errorf("merged twice: %v", err)
	}
	if _, err := client.MergeIncidents(t.Context(), &pb.MergeIncidentsRequest{Id: older, Into: older}); reasonOf(err).GetReason() != reasonRejected {
		t.Errorf("merged into itself: %v", err)
	}
	if _, err := client.MergeIncidents(t.Context(), &pb.MergeIncidentsRequest{Id: older}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("into nothing: %v", err)
	}
	if _, err := client.MergeIncidents(t.Context(), &pb.MergeIncidentsRequest{Id: older, Into: "INC-99"}); status.Code(err) != codes.NotFound {
		t.Errorf("into one that does not exist: %v", err)
	}
}

func TestASplitIsAnsweredWithBothIncidents(t *testing.T) {
	r := newRig(t)
	r.shop(t)
	id := r.openIncident(t, "cart")
	if again := r.openIncident(t, "web"); again != id {
		t.Fatalf("the alert on web opened %s; the test wants it in %s", again, id)
	}
	client := r.incidents(t)
	split, err := client.SplitIncident(t.Context(), &pb.SplitIncidentRequest{Id: id, Services: []string{"web"}, Actor: "night shift"})
	if err != nil {
		t.Fatal(err)
	}
	rest, left := split.GetIncident(), split.GetSplitIncident()
	if rest.GetId() != id || rest.GetAlerts() != 1 || left.GetAlerts() != 1 || left.GetSplitFrom() != id || left.GetServices()[0].GetService().GetName() != "web" {
		t.Errorf("left behind %v, split off %v", rest, left)
	}
	if p := left.GetApart(); len(p) != 1 || p[0].GetIncident() != id || p[0].GetActor() != "night shift" || len(rest.GetApart()) != 1 {
		t.Errorf("kept apart %v and %v", p, rest.GetApart())
	}
	for field, req := range map[string]*pb.SplitIncidentRequest{
		"services":    {Id: id},
		"services[0]": {Id: id, Services: []string{""}},
		"alerts[1]":   {Id: id, Alerts: []string{"00ff@2026-11-20T03:00:00Z", "nonsense"}},
		"alerts":      {Id: id, Alerts: make([]string, maxNamed+1)},
	} {
		_, err := client.SplitIncident(t.Context(), req)
		if v := detail[*errdetails.BadRequest](err).GetFieldViolations(); status.Code(err) != codes.InvalidArgument || len(v) != 1 || v[0].GetField() != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := client.SplitIncident(t.Context(), &pb.SplitIncidentRequest{Id: id, Services: []string{"cart"}}); reasonOf(err).GetReason() != reasonRejected {
		t.Errorf("nothing would be left: %v", err)
	}
}

func TestLearnedFiguresAreListedAndForgotten(t *testing.T) {
	r := newRig(t)
	r.shop(t)
	for _, service := range []string{"web", "cart", "search"} {
		r.openIncident(t, service)
	}
	_, conn := r.serve(t)
	client := pb.NewLearningServiceClient(conn)
	var subjects []string
	for token := ""; ; {
		page, err := client.ListLearned(t.Context(), &pb.ListLearnedRequest{PageSize: 2, PageToken: token, Filter: "kind = alerted"})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.GetFigures() {
			subjects = append(subjects, f.GetSubject())
			if f.GetSeen() != 1 || f.GetText() != "1 alert about it, ever" || f.GetUpdatedAt() == nil {
				t.Errorf("figure %v", f)
			}
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if got := strings.Join(subjects, " "); got != "cart search web" {
		t.Errorf("alerted: %s", got)
	}
	if _, err := client.ResetLearned(t.Context(), &pb.ResetLearnedRequest{Kind: pb.LearnedKind_LEARNED_KIND_ALERTED, Subject: "web"}); err != nil {
		t.Fatal(err)
	}
	left, err := client.ListLearned(t.Context(), &pb.ListLearnedRequest{})
	if err != nil || len(left.GetFigures()) != 2 || left.GetFigures()[1].GetSubject() != "search" {
		t.Errorf("after web was forgotten: %v, %v", left, err)
	}
	for want, req := range map[codes.Code]*pb.ResetLearnedRequest{
		codes.InvalidArgument:    {},
		codes.FailedPrecondition: {Subject: "web"},
	} {
		if _, err := client.ResetLearned(t.Context(), req); status.Code(err) != want {
			t.Errorf("%v: %v, want %s", req, err, want)
		}
	}
}

func TestCorrectionsOverREST(t *testing.T) {
	r := newRig(t)
	r.shop(t)
	id := r.openIncident(t, "cart")
	r.openIncident(t, "web")
	other := r.openIncident(t, "batch")
	web := r.web(t)
	for _, c := range []struct {
		path, body string
		want       any
		at         []any
	}{
		{"/api/v1/incidents/" + id + ":setOrigin", `{"service": "search"}`, "search", []any{"incident", "origins", 0, "service", "name"}},
		{"/api/v1/incidents/" + id + ":split", `{"services": ["web"]}`, id, []any{"split_incident", "split_from"}},
		{"/api/v1/incidents/" + other + ":merge", `{"into": "` + id + `"}`, id, []any{"incident", "id"}},
		{"/api/v1/learned:reset", `{"all": true}`, true, nil},
	} {
		code, body := call(t, http.MethodPost, web.URL+c.path, c.body)
		if got := at(body, c.at...); code != http.StatusOK || c.at != nil && got != c.want {
			t.Errorf("%s: %d, %v is %v, want %v\n%v", c.path, code, c.at, got, c.want, body)
		}
	}
	if code, body := call(t, http.MethodGet, web.URL+"/api/v1/learned", ""); code != http.StatusOK || at(body, "figures", 0) != nil {
		t.Errorf("after everything was forgotten: %d %v", code, body)
	}
}

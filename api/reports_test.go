package api

import (
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

// collapsed puts an incident on the graph of the tests: users fails, cart and web follow.
func (r *rig) collapsed(t testing.TB, change ...func(*correlate.Incident)) {
	t.Helper()
	at := func(name string) topology.Ref { return topology.Ref{Namespace: "shop", Name: name} }
	spec := testSpec()
	r.put(t, &spec)
	r.put(t, newIncident(1, append([]func(*correlate.Incident){func(i *correlate.Incident) {
		i.Origins = []correlate.Origin{{Service: at("users"), Kind: topology.KindAPI, Probability: .8, Silent: true}}
		i.Services = []correlate.ServiceImpact{{Service: at("cart"), Alerts: 3, Firing: 3, Since: i.StartedAt, Severity: correlate.SeverityCritical}}
		i.Path = []correlate.PathEdge{{Cause: at("users"), Effect: at("cart"), Kind: "depends"}}
		i.NextHit = []topology.Ref{at("web")}
	}}, change...)...))
	r.put(t, &correlate.HealthState{Service: at("redis-a"), Check: "ping", Status: correlate.HealthPassing, Since: startOfTests, At: startOfTests.Add(time.Hour)})
}

func TestACascadeHasPlacesRolesAndLines(t *testing.T) {
	r := newRig(t)
	r.collapsed(t)
	_, conn := r.serve(t)
	resp, err := pb.NewReportServiceClient(conn).GetCascade(t.Context(), &pb.GetCascadeRequest{Id: "INC-1"})
	if err != nil {
		t.Fatal(err)
	}
	c := resp.GetCascade()
	roles := map[string]string{}
	for _, n := range c.GetNodes() {
		roles[n.GetName()] = strings.TrimPrefix(n.GetRole().String(), "CASCADE_ROLE_")
		if n.GetX()+n.GetWidth() > c.GetWidth() || n.GetY()+n.GetHeight() > c.GetHeight() {
			t.Errorf("%s lies outside of the picture", n.GetName())
		}
	}
	for name, want := range map[string]string{"users": "ORIGIN", "cart": "HIT", "web": "NEXT", "redis-a": "CLEARED"} {
		if roles[name] != want {
			t.Errorf("%s is %q, want %s", name, roles[name], want)
		}
	}
	first := c.GetEdges()[0]
	if first.GetLink() != pb.CascadeLink_CASCADE_LINK_TOOK || c.GetNodes()[first.GetFrom()].GetName() != "users" || len(first.GetPoints()) < 2 {
		t.Errorf("the first arrow is %v", first)
	}
	if c.GetSvg() != "" || !strings.HasPrefix(c.GetMermaid(), "flowchart") || resp.GetRevision() != r.Revision() {
		t.Errorf("svg %q, mermaid %q, revision %d", c.GetSvg(), c.GetMermaid(), resp.GetRevision())
	}
}

// Revision is the newest revision of the rig's store.
func (r *rig) Revision() uint64 { return r.store.Revision() }

func TestACascadeIsAskedForByAnIncidentThatThereIs(t *testing.T) {
	r := newRig(t)
	r.collapsed(t)
	_, conn := r.serve(t)
	client := pb.NewReportServiceClient(conn)
	for id, want := range map[string]codes.Code{"": codes.InvalidArgument, "INC-9": codes.NotFound} {
		if _, err := client.GetCascade(t.Context(), &pb.GetCascadeRequest{Id: id}); status.Code(err) != want {
			t.Errorf("%q: %v, want %s", id, err, want)
		}
	}
	if _, err := client.GetCascade(t.Context(), &pb.GetCascadeRequest{Id: "INC-1", Direction: 7}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a direction that there is not: %v", err)
	}
}

func TestACascadeIsADocumentThatRunsNothing(t *testing.T) {
	r := newRig(t)
	r.collapsed(t, func(i *correlate.Incident) { i.Services[0].Service.Name = "<script>alert(1)</script>" })
	web := r.web(t)
	code, header, text := readDocument(t, web.URL+"/api/v1/incidents/INC-1/cascade.svg")
	if code != http.StatusOK || header.Get("Content-Type") != "image/svg+xml" {
		t.Fatalf("%d %v %s", code, header, text)
	}
	if !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") || header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%v", header)
	}
	if err := xml.Unmarshal([]byte(text), new(struct{})); err != nil || strings.Contains(text, "<script") {
		t.Errorf("%v\n%s", err, text)
	}
	if code, _, text := readDocument(t, web.URL+"/api/v1/incidents/INC-9/cascade.svg"); code != http.StatusNotFound || !strings.Contains(text, "INC-9") {
		t.Errorf("%d %s", code, text)
	}
	// The path of one incident is none of the documents'.
	if code, got := call(t, http.MethodGet, web.URL+"/api/v1/incidents/INC-1", ""); code != http.StatusOK || got["incident"] == nil {
		t.Errorf("%d %v", code, got)
	}
}

// readDocument reads one document.
func readDocument(t testing.TB, address string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func TestAPostmortemIsMadeOfAllThatIsStored(t *testing.T) {
	r := newRig(t)
	r.collapsed(t)
	r.put(t, newAlert(1, "INC-1", func(a *correlate.AlertState) {
		a.Annotations = map[string]string{"summary": "P90 is 9.28 s"}
	}))
	r.put(t, &correlate.Page{Incident: correlate.Incident{ID: "INC-1"}, Seq: 1, At: startOfTests.Add(time.Minute), Reason: "held for 30 s"})
	r.stream.feed(t, time.Second, &correlate.Command{Kind: correlate.CommandAddActionItem, Item: correlate.ActionItemEdit{Text: "of no incident"}})
	_, conn := r.serve(t)
	resp, err := pb.NewReportServiceClient(conn).GetPostmortem(t.Context(), &pb.GetPostmortemRequest{Id: "INC-1", Picture: "INC-1.svg"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Post-mortem of INC-1 · users", "*Draft: the incident goes on.", "P90 is 9.28 s", "**on-call paged**: held for 30 s", "```mermaid", "(<INC-1.svg>)",
	} {
		if !strings.Contains(resp.GetMarkdown(), want) {
			t.Errorf("no %q in\n%s", want, resp.GetMarkdown())
		}
	}
	if strings.Contains(resp.GetMarkdown(), "of no incident") || !strings.HasPrefix(resp.GetSvg(), "<svg") {
		t.Errorf("%s\n%.40s", resp.GetMarkdown(), resp.GetSvg())
	}
}

func TestAPostmortemIsADocumentOfItsOwn(t *testing.T) {
	r := newRig(t)
	r.collapsed(t)
	web := r.web(t)
	code, header, text := readDocument(t, web.URL+"/api/v1/incidents/INC-1/postmortem.md")
	if code != http.StatusOK || header.Get("Content-Type") != "text/markdown; charset=utf-8" || !strings.HasPrefix(text, "# Post-mortem of INC-1") {
		t.Errorf("%d %v\n%s", code, header, text)
	}
	if code, got := call(t, http.MethodGet, web.URL+"/api/v1/incidents/INC-1/postmortem", ""); code != http.StatusOK || got["markdown"] == "" {
		t.Errorf("%d %v", code, got)
	}
	if code, _, _ := readDocument(t, web.URL+"/api/v1/incidents/INC-9/postmortem.md"); code != http.StatusNotFound {
		t.Errorf("%d", code)
	}
}

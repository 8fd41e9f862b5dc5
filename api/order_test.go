package api

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// Every order, page size and filter: the pages put together are the sorted matches.
func TestPagesAddUpToTheSortedList(t *testing.T) {
	r := newRig(t)
	service := &incidentService{Server: r.Server}
	severities := []correlate.Severity{correlate.SeverityWarning, correlate.SeverityError, correlate.SeverityCritical}
	var all []*correlate.Incident
	for n := uint64(1); n <= 60; n++ {
		i := newIncident(n, func(i *correlate.Incident) {
			i.Severity = severities[n%3]
			i.Alerts = int(n * 7 % 5)
			i.StartedAt = startOfTests.Add(time.Duration(n*13%11) * time.Minute)
			i.Archived = n < 20
		})
		all = append(all, i)
		r.put(t, i)
	}
	rapid.Check(t, func(rt *rapid.T) {
		orderBy := rapid.SampledFrom([]string{"", "opened_at", "opened_at desc", "started_at", "started_at desc", "severity desc", "severity asc", "alerts", "alerts desc", "updated_at"}).Draw(rt, "order")
		filter := rapid.SampledFrom([]string{"", "alerts > 1", "severity = error", "id = INC-7"}).Draw(rt, "filter")
		size := rapid.Int32Range(1, 70).Draw(rt, "size")
		by, err := parseOrder(orderBy)
		if err != nil {
			rt.Fatal(err)
		}
		f, err := compileIncidentFilter(filter)
		if err != nil {
			rt.Fatal(err)
		}
		var want []string
		for _, i := range slices.SortedFunc(slices.Values(all), func(a, b *correlate.Incident) int { return by.compare(by.place(a), by.place(b)) }) {
			if f.match(i) {
				want = append(want, i.ID)
			}
		}
		var got []string
		for token := ""; ; {
			resp, err := service.ListIncidents(t.Context(), &pb.ListIncidentsRequest{PageSize: size, PageToken: token, Filter: filter, OrderBy: orderBy})
			if err != nil {
				rt.Fatal(err)
			}
			if len(resp.GetIncidents()) > int(size) {
				rt.Fatalf("page of %d, asked for %d", len(resp.GetIncidents()), size)
			}
			for _, i := range resp.GetIncidents() {
				got = append(got, i.GetId())
			}
			if token = resp.GetNextPageToken(); token == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("got %v\nwant %v", got, want)
		}
	})
}

func TestOrderErrors(t *testing.T) {
	for _, s := range []string{"title", "severity down", "severity desc, alerts", "severity desc asc", ","} {
		if _, err := parseOrder(s); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestTokensAreBoundToTheirRequest(t *testing.T) {
	r := newRig(t)
	for n := uint64(1); n <= 3; n++ {
		r.put(t, newIncident(n))
	}
	service := &incidentService{Server: r.Server}
	first, err := service.ListIncidents(t.Context(), &pb.ListIncidentsRequest{PageSize: 1, Filter: "state = open"})
	if err != nil {
		t.Fatal(err)
	}
	token := first.GetNextPageToken()
	for point, req := range map[string]*pb.ListIncidentsRequest{
		"another filter": {PageToken: token},
		"another order":  {PageToken: token, Filter: "state = open", OrderBy: "severity"},
		"not base64":     {PageToken: "%%", Filter: "state = open"},
		"not a token":    {PageToken: "aGVsbG8", Filter: "state = open"},
		"negative size":  {PageSize: -1},
	} {
		if _, err := service.ListIncidents(t.Context(), req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", point, err)
		}
	}
	alerts := &alertService{Server: r.Server}
	if _, err := alerts.ListAlerts(t.Context(), &pb.ListAlertsRequest{PageToken: token, Filter: "state = open"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("another method: %v", err)
	}
	// Another page size is nobody's mistake, and so is another spelling of the same order.
	second, err := service.ListIncidents(t.Context(), &pb.ListIncidentsRequest{PageToken: token, PageSize: 10, Filter: "state = open", OrderBy: "opened_at  desc"})
	if err != nil || len(second.GetIncidents()) != 2 {
		t.Errorf("another page size: %v, %v", second, err)
	}
}

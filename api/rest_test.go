package api

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/headwater-sre/headwater/correlate"
)

// web is the rig's REST and browser face on a real port.
func (r *rig) web(t testing.TB) *httptest.Server { return r.webFor(t, Origins{}) }

// webFor is that, for browsers at other sites as well.
func (r *rig) webFor(t testing.TB, origins Origins) *httptest.Server {
	t.Helper()
	srv, conn := r.serve(t)
	rest, err := RESTHandler(t.Context(), conn, origins)
	if err != nil {
		t.Fatal(err)
	}
	bridge, err := BridgeHandler(conn, srv.GetServiceInfo(), origins)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", rest)
	mux.Handle("/", bridge)
	web := httptest.NewServer(mux)
	// A watch must end before the server does: httptest waits for it.
	t.Cleanup(func() {
		r.Stop()
		web.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return web
}

// call makes a request and returns status code and decoded JSON.
func call(t testing.TB, method, address, body string, change ...func(*http.Request)) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil && len(data) > 0 {
		m = map[string]any{"text": string(data)}
	}
	return resp.StatusCode, m
}

// at follows names and indices into decoded JSON; nil when there is nothing.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func TestRESTReads(t *testing.T) {
	r := newRig(t)
	spec := testSpec()
	r.put(t, &spec)
	i := newIncident(41)
	alert := newAlert(1, "INC-41")
	r.put(t, i, alert, &correlate.HealthState{Service: i.Services[0].Service, Check: "http", Status: correlate.HealthFailing, Alert: alert.ID()})
	r.put(t, newIncident(42, func(i *correlate.Incident) { i.State = correlate.IncidentResolved }))
	web := r.web(t)
	for _, c := range []struct {
		path string
		want any
		at   []any
	}{
		{"/api/v1/incidents/INC-41", "INC-41", []any{"incident", "id"}},
		{"/api/v1/incidents/INC-41", "INCIDENT_STATE_OPEN", []any{"incident", "state"}},
		{"/api/v1/incidents/INC-41", "3", []any{"revision"}},
		{"/api/v1/incidents/INC-41", 0.87, []any{"incident", "origins", 0, "probability"}},
		{"/api/v1/incidents/INC-41", false, []any{"incident", "archived"}}, // defaults are sent
		{"/api/v1/incidents/INC-41", nil, []any{"incident", "resolved_at"}},
		{"/api/v1/incidents", "INC-42", []any{"incidents", 0, "id"}},
		{"/api/v1/incidents?order_by=severity&page_size=1", "INC-42", []any{"incidents", 0, "id"}},
		{"/api/v1/incidents?filter=" + url.QueryEscape(`state = "open" AND origin = "mysql"`), "INC-41", []any{"incidents", 0, "id"}},
		{"/api/v1/incidents?filter=" + url.QueryEscape(`state = "merged"`), 0, []any{"incidents"}},
		{"/api/v1/incidents?view=INCIDENT_VIEW_FULL", "opened", []any{"incidents", 0, "timeline", 0, "text"}},
		{"/api/v1/alerts?filter=" + url.QueryEscape(`incident = "INC-41"`), "FATE_KIND_PAGED", []any{"alerts", 0, "fate", "kind"}},
		{"/api/v1/alerts/" + alert.ID().String(), "HighLatency", []any{"alert", "labels", "alertname"}},
		{"/api/v1/health", "HEALTH_STATUS_FAILING", []any{"checks", 0, "status"}},
		{"/api/v1/topology", "v7", []any{"topology", "version"}},
		{"/api/v1/topology/services/cart", "team-cart", []any{"service", "owner"}},
		{"/api/v1/topology/services/shop/cart", "team-cart", []any{"service", "owner"}},
		{"/api/v1/topology/services/shop%2Fcart", "team-cart", []any{"service", "owner"}},
		{"/api/v1/topology/services/shop/web:dependencies?depth=1", "cart", []any{"hops", 0, "service", "name"}},
		{"/api/v1/topology/services/cart:dependents", "users", []any{"hops", 1, "service", "name"}},
		{"/api/v1/topology:whatBreaks?services=redis-a&services=redis-b", "EFFECT_BROKEN", []any{"impacts", 0, "effect"}},
	} {
		code, body := call(t, http.MethodGet, web.URL+c.path, "")
		got := at(body, c.at...)
		if list, ok := got.([]any); ok {
			got = len(list)
		}
		if code != http.StatusOK || got != c.want {
			t.Errorf("%s: %d, %v is %v, want %v\n%v", c.path, code, c.at, got, c.want, body)
		}
	}
}

func TestRESTErrors(t *testing.T) {
	r := newRig(t)
	r.put(t, newIncident(41))
	r.stream.refuse = io.ErrClosedPipe
	web := r.web(t)
	for _, c := range []struct {
		method, path, body string
		code               int
		text               string
	}{
		{"GET", "/api/v1/incidents/INC-7", "", 404, `there is no incident \"INC-7\"`},
		{"GET", "/api/v1/incidents?filter=stat%3Dopen", "", 400, `filter: column 1: unknown field \"stat\"`},
		{"GET", "/api/v1/incidents?filer=state%3Dopen", "", 400, `unknown parameter \"filer\"; use one of page_size`},
		{"GET", "/api/v1/incidents?page_size=many", "", 400, `page_size`},
		{"GET", "/api/v1/incidents:watch?revision=99", "", 400, `the newest here is 1`},
		{"GET", "/api/v1/nothing", "", 404, `there is no /api/v1/nothing`},
		{"DELETE", "/api/v1/incidents/INC-41", "", 405, `DELETE is not allowed`},
		{"POST", "/api/v1/incidents/INC-41:acknowledge", `{"nope": 1}`, 400, `unknown field`},
		{"POST", "/api/v1/incidents/INC-41:acknowledge", ``, 503, `send it again`},
		{"POST", "/api/v1/incidents/INC-41/notes", `{"note": " "}`, 400, `"field":"note"`},
		{"POST", "/api/v1/health:report", `{"results": [{"service": "cart", "status": "BROKEN"}]}`, 400, `BROKEN`},
		{"POST", "/api/v1/health:report", strings.Repeat(" ", maxRESTBody+1), 400, `too large`},
	} {
		code, body := call(t, c.method, web.URL+c.path, c.body)
		text, _ := json.Marshal(body)
		if code != c.code || !strings.Contains(string(text), c.text) || (at(body, "code") == nil && at(body, "error", "code") == nil) {
			t.Errorf("%s %s: %d %s\nwant %d %s", c.method, c.path, code, text, c.code, c.text)
		}
	}
}

func TestRESTCommands(t *testing.T) {
	r := newRig(t)
	id := r.openIncident(t, "cart")
	web := r.web(t)
	path := web.URL + "/api/v1/incidents/" + id
	code, body := call(t, http.MethodPost, path+":acknowledge", `{"actor": "field", "note": "on it"}`)
	if code != http.StatusOK || at(body, "incident", "acknowledgement", "actor") != "field" {
		t.Errorf("acknowledge: %d %v", code, body)
	}
	// The user that the web server authenticated wins over what the request claims.
	code, body = call(t, http.MethodPost, path+":acknowledge", `{"actor": "somebody else"}`, func(r *http.Request) { r.SetBasicAuth("operator", "secret") })
	if code != http.StatusOK || at(body, "incident", "acknowledgement", "actor") != "operator" {
		t.Errorf("acknowledge with a user: %d %v", code, body)
	}
	// And cannot be claimed by a header.
	code, body = call(t, http.MethodPost, path+":acknowledge", ``, func(r *http.Request) {
		r.Header.Set("Grpc-Metadata-"+userKey, "mallory")
		r.Header.Set(userKey, "mallory")
	})
	if code != http.StatusOK || at(body, "incident", "acknowledgement", "actor") != anonymous {
		t.Errorf("acknowledge with a forged user: %d %v", code, body)
	}
	if code, body = call(t, http.MethodPost, path+"/notes", `{"note": "looking"}`); code != http.StatusOK {
		t.Errorf("note: %d %v", code, body)
	}
	if code, body = call(t, http.MethodPost, path+":resolve", `{"reason": "rolled back"}`); code != http.StatusOK || at(body, "incident", "state") != "INCIDENT_STATE_RESOLVED" {
		t.Errorf("resolve: %d %v", code, body)
	}
	code, body = call(t, http.MethodPost, web.URL+"/api/v1/health:report", `{"results": [{"service": "shop/cart", "status": "HEALTH_STATUS_PASSING", "latency": "0.12s"}]}`)
	if code != http.StatusOK || at(body, "revision") == nil {
		t.Errorf("report: %d %v", code, body)
	}
}

// A browser that remembers a password must not be used by another site's page.
func TestCrossSiteRequestsAreRefused(t *testing.T) {
	r := newRig(t)
	id := r.openIncident(t, "cart")
	web := r.web(t)
	fromElsewhere := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
	for _, path := range []string{"/api/v1/incidents/" + id + ":resolve", "/headwater.v1.IncidentService/ResolveIncident"} {
		if code, body := call(t, http.MethodPost, web.URL+path, `{}`, fromElsewhere); code != http.StatusForbidden {
			t.Errorf("%s: %d %v", path, code, body)
		}
	}
}

func TestRESTWatchIsOneObjectALine(t *testing.T) {
	r := newRig(t)
	r.put(t, newIncident(1))
	web := r.web(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, web.URL+"/api/v1/incidents:watch?filter=state%3Dopen", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "application/x-ndjson" {
		t.Errorf("content type %q", got)
	}
	lines := bufio.NewScanner(resp.Body)
	next := func() any {
		t.Helper()
		var v any
		if !lines.Scan() {
			t.Fatalf("the watch ended: %v", lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		return v
	}
	if first := next(); at(first, "result", "incidents", 0, "id") != "INC-1" {
		t.Errorf("first %v", first)
	}
	if second := next(); at(second, "result", "heartbeat") != true || at(second, "result", "revision") != "1" {
		t.Errorf("second %v", second)
	}
	r.put(t, newIncident(2))
	if third := next(); at(third, "result", "incidents", 0, "id") != "INC-2" {
		t.Errorf("third %v", third)
	}
	r.Stop()
	if last := next(); at(last, "error", "code") != 14.0 {
		t.Errorf("last %v", last)
	}
}

package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestOriginsAreExact(t *testing.T) {
	if _, err := ParseOrigins([]string{"https://dashboards.example", "http://localhost:3000"}); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "*", "dashboards.example", "https://", "https://a.example/", "https://a.example/path", "https://me:secret@a.example", "ftp://a.example", "null", "https://a.example?x"} {
		if _, err := ParseOrigins([]string{bad}); err == nil || !strings.Contains(err.Error(), "want scheme://host") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Pages of the sites allowed may read and write, over REST and over Connect; those of
// others may not.
func TestOnlyAllowedSitesUseTheAPIFromABrowser(t *testing.T) {
	origins, err := ParseOrigins([]string{"https://dashboards.example"})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	web := r.webFor(t, origins)
	send := func(method, path, body string, header http.Header) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, web.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	from := func(origin string, more ...string) http.Header {
		h := http.Header{"Origin": {origin}, "Sec-Fetch-Site": {"cross-site"}, "Content-Type": {"application/json"}}
		for i := 0; i < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		return h
	}
	const allowed, other, connect = "https://dashboards.example", "https://elsewhere.example", "/headwater.v1.IncidentService/ListIncidents"
	for _, path := range []string{"/api/v1/action-items", connect} {
		asks := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type"}
		resp := send(http.MethodOptions, path, "", from(allowed, asks...))
		if got := resp.Header.Get("Access-Control-Allow-Origin"); got != allowed || resp.StatusCode/100 != 2 {
			t.Errorf("preflight of %s from the site allowed: %d, %q", path, resp.StatusCode, got)
		}
		if got := resp.Header.Get("Access-Control-Allow-Credentials"); got != "true" {
			t.Errorf("preflight of %s: credentials %q", path, got)
		}
		if got := send(http.MethodOptions, path, "", from(other, asks...)).Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("preflight of %s from elsewhere: allowed for %q", path, got)
		}
	}
	if resp := send(http.MethodGet, "/api/v1/incidents", "", from(allowed)); resp.StatusCode != http.StatusOK || resp.Header.Get("Access-Control-Allow-Origin") != allowed {
		t.Errorf("reading: %d, %v", resp.StatusCode, resp.Header)
	}
	if got := send(http.MethodGet, "/api/v1/incidents", "", from(other)).Header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("reading from elsewhere is shown to %q", got)
	}
	if resp := send(http.MethodPost, connect, "{}", from(allowed, "Connect-Protocol-Version", "1")); resp.StatusCode != http.StatusOK {
		t.Errorf("a call: %d", resp.StatusCode)
	}
	for _, path := range []string{connect, "/api/v1/action-items"} {
		if resp := send(http.MethodPost, path, "{}", from(other)); resp.StatusCode != http.StatusForbidden {
			t.Errorf("a call of %s from elsewhere: %d", path, resp.StatusCode)
		}
	}
}

func TestTheOpenAPIDocumentIsServed(t *testing.T) {
	web := newRig(t).web(t)
	code, doc := call(t, http.MethodGet, web.URL+"/api/v1/openapi.json", "")
	info, _ := doc["info"].(map[string]any)
	paths, _ := doc["paths"].(map[string]any)
	if code != http.StatusOK || info["title"] != "Headwater" || info["version"] != "v1" || paths["/api/v1/incidents"] == nil {
		text, _ := json.Marshal(info)
		t.Errorf("%d, %s, %d paths", code, text, len(paths))
	}
}

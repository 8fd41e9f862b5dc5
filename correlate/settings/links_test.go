package settings

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

func linked(t *testing.T, yaml string) correlate.Linker {
	t.Helper()
	c, err := Load(write(t, yaml))
	if err != nil {
		t.Fatal(err)
	}
	return c.Linker
}

func collapse() *correlate.Incident {
	began := time.Date(2026, 3, 14, 3, 0, 0, 0, time.UTC)
	return &correlate.Incident{
		ID: "INC-41", Environment: "prod-eu", Severity: correlate.SeverityCritical, Sev: correlate.Sev1, StartedAt: began,
		Origins: []correlate.Origin{{Service: topology.Ref{Namespace: "shop", Name: "my sql&co"}, Kind: topology.KindDatabase, Owner: "storage"}},
	}
}

func TestLinks_NameTheIncidentAndEscapeWhatTheyName(t *testing.T) {
	l := linked(t, `
links:
- {title: Grafana, url: 'https://grafana.example/d/x?var-service={{ .Origin.Name }}&from={{ .FromMillis }}&to={{ .ToMillis }}'}
- {title: Runs, url: 'https://ci.example/{{ .Origin.Namespace }}/{{ .Origin.Name }}?since={{ .From }}', matchers: ['origin_kind="database"', 'sev=~"SEV[12]"']}
- {title: Cache, url: 'https://cache.example/{{ .ID }}', matchers: [origin_kind="cache"]}
- {title: Team, url: 'https://chat.example/{{ if eq .Environment "prod-eu" }}eu{{ else }}other{{ end }}'}
`)
	want := []correlate.LinkTarget{
		{Title: "Grafana", URL: "https://grafana.example/d/x?var-service=my%20sql%26co&from=1773456300000&to=now"},
		{Title: "Runs", URL: "https://ci.example/shop/my%20sql%26co?since=2026-03-14T02%3A45%3A00Z"},
		{Title: "Team", URL: "https://chat.example/eu"},
	}
	if diff := cmp.Diff(want, l.Links(collapse())); diff != "" {
		t.Error(diff)
	}
}

func TestLinks_OfAnEndedIncidentShowTheTimeAfterItToo(t *testing.T) {
	inc := collapse()
	inc.ResolvedAt = inc.StartedAt.Add(time.Hour)
	got := linked(t, `links: [{title: G, url: 'https://g.example/?to={{ .ToMillis }}'}]`).Links(inc)
	if want := "https://g.example/?to=1773461700000"; len(got) != 1 || got[0].URL != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestLinks_ThatHaveNothingToNameAreLeftOut(t *testing.T) {
	inc := collapse()
	inc.Origins = nil
	got := linked(t, `links: [{title: A, url: 'https://g.example/{{ .Origin.Name }}'}, {title: B, url: 'https://g.example/{{ .ID }}'}]`).Links(inc)
	if len(got) != 1 || got[0].Title != "B" {
		t.Errorf("got %v", got)
	}
}

func TestLinks_MistakesAreToldWithTheirLine(t *testing.T) {
	for text, want := range map[string]string{
		"links:\n- {title: A}": ":2: links[0]: needs both title and url",
		"links:\n- {title: A, url: 'https://x/{{ .Origin.Nam }}'}":                                 ":2: links[0].url: 1:20: executing",
		"links:\n- {title: A, url: 'https://x/{{ .Origin.Name '}":                                  ":2: links[0].url: 1: unclosed action",
		"links:\n- {title: A, url: 'https://x/{{ range 9 }}x{{ end }}'}":                           "is of no use here; values, if and with are",
		"links:\n- {title: A, url: 'https://x/{{ with .Origin }}{{ range 9 }}{{ end }}{{ end }}'}": "is of no use here",
		"links:\n- {title: A, url: 'https://x/{{ define \"a\" }}{{ end }}'}":                       "define is of no use here",
		"links:\n- {title: A, url: 'javascript:{{ .ID }}'}":                                        "is no address such as",
		"links:\n- {title: A, url: '/d/{{ .ID }}'}":                                                "is no address such as",
		"links:\n- {title: A, url: 'https://x/ {{ .ID }}'}":                                        "holds a blank",
		"links:\n- {title: A, url: 'https://x/{{ printf \"%9000d\" 1 }}'}":                         "",
		"links:\n- {title: A, url: 'https://x/{{ env \"HOME\" }}'}":                                `function "env" not defined`,
		"links:\n- {title: A, url: 'https://x', matchers: ['origin']}":                             ":2: links[0].matchers[0]: \"origin\" is no matcher",
		"links:\n- {title: A, url: 'https://x'}\n- {title: A, url: 'https://y'}":                   ":3: links[1]: there are two links \"A\"",
	} {
		_, err := Load(write(t, text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

package change

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/body"
	"github.com/headwater-sre/headwater/topology"
)

var bodies = map[string]string{
	"full":        `{"service":"robot-shop/shipping","kind":"Deploy","summary":"shipping 1.8.2","at":"2026-01-03T10:00:00Z","link":"https://ci.example/builds/7?x=1#log","source":"argocd"}`,
	"least":       `{"service":"shipping","kind":"scale"}`,
	"other names": `{"service":"shipping","namespace":"robot-shop","kind":"feature-flag_2","time":"2026-01-03T11:00:00+01:00","url":"http://ci.example","by":"ci","labels":{"a":[1]}}`,
	"nulls":       `{"service":"shipping","kind":"config","summary":null,"at":null,"link":null,"source":null}`,
	"array":       `[{"service":"a","kind":"deploy"},{"service":"b","kind":"rollback"}]`,
	"empty array": `[]`,
}

func TestDecodeChanges(t *testing.T) {
	at := time.Date(2026, 1, 3, 10, 0, 0, 0, time.UTC)
	shipping := topology.Ref{Namespace: "robot-shop", Name: "shipping"}
	for name, want := range map[string][]*correlate.Change{
		"full":        {{Service: shipping, Kind: "deploy", Summary: "shipping 1.8.2", At: at, Link: "https://ci.example/builds/7?x=1#log", Source: "argocd"}},
		"least":       {{Service: topology.Ref{Name: "shipping"}, Kind: "scale", Source: Source}},
		"other names": {{Service: shipping, Kind: "feature-flag_2", At: at, Link: "http://ci.example", Source: Source}},
		"nulls":       {{Service: topology.Ref{Name: "shipping"}, Kind: "config", Source: Source}},
		"array":       {{Service: topology.Ref{Name: "a"}, Kind: "deploy", Source: Source}, {Service: topology.Ref{Name: "b"}, Kind: "rollback", Source: Source}},
		"empty array": nil,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := DecodeChanges([]byte(bodies[name]))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusedChangesNameTheField(t *testing.T) {
	const wantKind = "want deploy, config, scale, rollback or another word of up to 32 letters, digits, - and _"
	for _, tc := range []struct{ name, text, want string }{
		{"no service", `{"kind":"deploy"}`, `service: missing: want "name" or "namespace/name" (line 1, byte 0)`},
		{"no kind", `{"service":"a"}`, `kind: missing: ` + wantKind + ` (line 1, byte 0)`},
		{"a sentence for a kind", `{"service":"a","kind":"we deployed it"}`, `kind: ` + wantKind + `, got "we deployed it" (line 1, byte 22)`},
		{"a long kind", `{"service":"a","kind":"` + strings.Repeat("a", 33) + `"}`, `kind: ` + wantKind + `, got "` + strings.Repeat("a", 33) + `" (line 1, byte 22)`},
		{"a link that runs", `{"service":"a","kind":"deploy","link":"javascript:alert(1)"}`, `link: want an http or https address of at most 2048 bytes, got "javascript:alert(1)" (line 1, byte 38)`},
		{"a link without a host", `{"service":"a","kind":"deploy","url":"https:///builds"}`, `url: want an http or https address of at most 2048 bytes, got "https:///builds" (line 1, byte 37)`},
		{"no time", `{"service":"a","kind":"deploy","at":"2 days ago"}`, `at: want a time such as 2026-01-05T00:07:22Z (RFC 3339), got "2 days ago" (line 1, byte 36)`},
		{"a long source", `{"service":"a","kind":"deploy","source":"` + strings.Repeat("a", 129) + `"}`, `source: longer than 128 bytes (line 1, byte 40)`},
		{"the second of two", `[{"service":"a","kind":"deploy"},{"kind":"deploy"}]`, `[1].service: missing: want "name" or "namespace/name" (line 1, byte 33)`},
		{"too many", `[` + strings.Repeat(`{"service":"a","kind":"deploy"},`, 100) + `{}]`, `[100]: too many: send at most 100 changes at a time (line 1, byte 3201)`},
		{"a string", `"deploy"`, `want an object, got a string (line 1, byte 0)`},
		{"two bodies", `{"service":"a","kind":"deploy"} {}`, `more text after the end of the JSON value (line 1, byte 32)`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			changes, err := DecodeChanges([]byte(tc.text))
			if changes != nil || err == nil || err.Error() != tc.want {
				t.Errorf("changes %v, error\n got %v\nwant %s", changes, err, tc.want)
			}
		})
	}
}

func TestLongSummariesAreCut(t *testing.T) {
	changes, err := DecodeChanges([]byte(`{"service":"a","kind":"deploy","summary":"` + strings.Repeat("ü", MaxSummary) + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	if s := changes[0].Summary; len(s) > MaxSummary || strings.Trim(s, "ü") != "…" {
		t.Errorf("summary of %d bytes", len(s))
	}
}

func FuzzDecodeChanges(f *testing.F) {
	for _, text := range bodies {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		changes, err := DecodeChanges(text)
		var e *body.Error
		if err != nil && (changes != nil || !errors.As(err, &e) || e.Line < 1 || e.Offset > len(text)) {
			t.Fatalf("changes %v, error %v", changes, err)
		}
		for _, c := range changes {
			if c.Service.Name == "" || c.Kind == "" || c.Source == "" || len(c.Summary) > MaxSummary {
				t.Fatalf("change %+v", c)
			}
			if c.Link != "" && !strings.HasPrefix(strings.ToLower(c.Link), "http") {
				t.Fatalf("link %q", c.Link)
			}
		}
	})
}

package argocd

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/body"
	"github.com/headwater-sre/headwater/ingest/change"
	"github.com/headwater-sre/headwater/topology"
)

func recorded(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "on-deployed.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestASyncIsAChangeOfTheWorkloadsThatItTouched(t *testing.T) {
	got, note, err := Decode([]byte(recorded(t)), nil)
	if err != nil || note != "" {
		t.Fatal(err, note)
	}
	want := []*correlate.Change{{
		Service: topology.Ref{Namespace: "shop", Name: "payment"}, Kind: "deploy", Summary: "shop synced to 8f14e45f",
		Link: "https://argocd.example.com/applications/argocd/shop", At: time.Date(2026, 11, 20, 8, 14, 31, 0, time.UTC), Source: Source,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestWhatANotificationComesTo(t *testing.T) {
	text := recorded(t)
	edit := func(old, to string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("the recorded body has no %s", old)
		}
		return strings.ReplaceAll(text, old, to)
	}
	prod := change.Names{{Match: regexp.MustCompile(`^(?:(shop)-?.*)$`), Service: "$1/storefront"}}
	_, bare, _ := strings.Cut(text, `"app": `)
	bare = strings.TrimSuffix(strings.TrimSpace(bare), "}")
	for _, tc := range []struct {
		point, text string
		names       change.Names
		want        string
	}{
		{"a rule names the application's service", text, prod, "shop/storefront deploy shop synced to 8f14e45f"},
		{"a rule leaves the application out", text, change.Names{{Match: regexp.MustCompile(`shop`)}}, "note: application shop: not taken, by the source's services"},
		{"a rule must match the whole name", text, change.Names{{Match: regexp.MustCompile(`sho`)}}, "shop/payment deploy shop synced to 8f14e45f"},
		{"the Application with nothing around it", bare, nil, "shop/payment deploy shop synced to 8f14e45f"},
		{"a failed sync may have changed things too", edit(`"phase": "Succeeded"`, `"phase": "Failed"`), nil, "shop/payment deploy shop sync failed: successfully synced (all tasks run)"},
		{"a sync that still runs", edit(`"phase": "Succeeded"`, `"phase": "Running"`), nil, `note: application shop: operation phase "Running": nothing is over yet`},
		{"a dry run", edit(`"sync": {"prune"`, `"sync": {"dryRun": true, "prune"`), nil, "note: application shop: a dry run"},
		{"nothing was changed", edit(`payment configured`, `payment unchanged`), nil, "note: application shop: nothing was changed"},
		{"no workload was changed", edit(`"kind": "Deployment", "message": "deployment.apps/payment`, `"kind": "ConfigMap", "message": "configmap/payment`), nil, "shop/shop deploy shop synced to 8f14e45f"},
		{"a link that is none", edit(`https://argocd.example.com`, `javascript:alert`), nil, "shop/payment deploy shop synced to 8f14e45f"},
		{"no application", `{"app": {}}`, nil, "error: app.metadata.name: missing: want the Application as the template in docs/intake.md sends it (line 1, byte 0)"},
		{"no time", edit(`"finishedAt": "2026-11-20T08:14:31Z"`, `"finishedAt": "soon"`), nil, `error: app.status.operationState.finishedAt: want a time such as 2026-01-05T00:07:22Z (RFC 3339), got "soon" (line 23, byte 982)`},
		{"no JSON", `app: shop`, nil, "error: want an object, got 'a' (line 1, byte 0)"},
	} {
		t.Run(tc.point, func(t *testing.T) {
			changes, note, err := Decode([]byte(tc.text), tc.names)
			var got string
			switch {
			case err != nil:
				got = "error: " + err.Error()
			case len(changes) == 0:
				got = "note: " + note
			default:
				got = changes[0].Service.String() + " " + changes[0].Kind + " " + changes[0].Summary
			}
			if got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

// FuzzDecode: what is decoded is fit for the stream, and every error has a place.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(recorded(f)))
	f.Add([]byte(`{"metadata":{"name":"a"},"status":{"operationState":{"phase":"Error","message":"\ud800"}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		changes, note, err := Decode(text, nil)
		var bad *body.Error
		if err != nil && !errors.As(err, &bad) {
			t.Fatalf("error without a place: %v", err)
		}
		if err == nil && (len(changes) == 0) == (note == "") {
			t.Fatalf("%d changes with the note %q", len(changes), note)
		}
		for _, c := range changes {
			again := *c
			if err := change.Admit(&again); err != nil || again != *c {
				t.Errorf("%+v is not admitted: %v", c, err)
			}
		}
	})
}

package flux

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/headwater-sre/headwater/ingest/body"
	"github.com/headwater-sre/headwater/ingest/change"
)

func recorded(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWhatAnEventComesTo(t *testing.T) {
	applied, upgraded, fetched := recorded(t, "kustomization-progressing"), recorded(t, "helmrelease-upgraded"), recorded(t, "source-fetched")
	const prefix = "Kustomization shop applied main@sha1:8f14e45fceea167a5a36dedd4bea2543b3ad0c11"
	for _, tc := range []struct {
		point, text string
		names       change.Names
		want        string
	}{
		{"what the kustomize-controller changed, by workload", applied, nil, "shop/payment deploy " + prefix + ": Deployment/shop/payment configured at 08:14:31"},
		{
			"several workloads", strings.Replace(applied, "Service/shop/payment configured", "StatefulSet/shop/stock created", 1), nil,
			"shop/payment deploy " + prefix + ": Deployment/shop/payment configured at 08:14:31; shop/stock deploy " + prefix + ": StatefulSet/shop/stock created at 08:14:31",
		},
		{"configuration alone", strings.Replace(applied, "Deployment/shop/payment configured\\n", "", 1), nil, "flux-system/shop config " + prefix + " at 08:14:31"},
		{"a rule names the service", applied, change.Names{{Match: regexp.MustCompile(`flux-system/(.+)`), Service: "prod/$1"}}, "prod/shop deploy " + prefix + ": Deployment/shop/payment configured at 08:14:31"},
		{"a rule leaves the object out", applied, change.Names{{Match: regexp.MustCompile(`.*`)}}, "note: Kustomization flux-system/shop: not taken, by the source's services"},
		{"a chart was upgraded", upgraded, nil, "shop/payment deploy HelmRelease payment released 2.4.0 at 08:20:02"},
		{"a release was rolled back", strings.Replace(upgraded, "UpgradeSucceeded", "RollbackSucceeded", 1), nil, "shop/payment rollback HelmRelease payment rolled back 2.4.0 at 08:20:02"},
		{
			"an upgrade failed", strings.Replace(upgraded, "UpgradeSucceeded", "UpgradeFailed", 1), nil,
			"shop/payment deploy HelmRelease payment failed 2.4.0: Helm upgrade succeeded for release shop/payment.v18 with chart payment@2.4.0 at 08:20:02",
		},
		{"a source was fetched", fetched, nil, "note: GitRepository flux-system/deploy: NewArtifact tells of no change"},
		{"nothing new", strings.Replace(applied, `"Progressing"`, `"ReconciliationSucceeded"`, 1), nil, "note: Kustomization flux-system/shop: ReconciliationSucceeded tells of no change"},
		{"no event", `{"reason": "Progressing"}`, nil, "error: involvedObject: missing: want an event of Flux's generic provider (line 1, byte 0)"},
		{"no JSON", ``, nil, "error: want an object, got the end of the body (line 1, byte 0)"},
	} {
		t.Run(tc.point, func(t *testing.T) {
			changes, note, err := Decode([]byte(tc.text), tc.names)
			var told []string
			for _, c := range changes {
				told = append(told, c.Service.String()+" "+c.Kind+" "+c.Summary+" at "+c.At.Format("15:04:05"))
			}
			got := strings.Join(told, "; ")
			switch {
			case err != nil:
				got = "error: " + err.Error()
			case len(changes) == 0:
				got = "note: " + note
			}
			if got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

// FuzzDecode: what is decoded is fit for the stream, and every error has a place.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"kustomization-progressing", "helmrelease-upgraded", "source-fetched"} {
		f.Add([]byte(recorded(f, name)))
	}
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

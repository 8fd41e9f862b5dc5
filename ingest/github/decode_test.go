package github

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

func recorded(t testing.TB, event string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", event+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestADeploymentThatSucceeded(t *testing.T) {
	got, note, err := Decode("deployment_status", []byte(recorded(t, "deployment_status")), Options{})
	if err != nil || note != "" {
		t.Fatal(err, note)
	}
	want := []*correlate.Change{{
		Service: topology.Ref{Name: "payment"}, Kind: "deploy", Summary: "deployed main (8f14e45f) to production, by ci-bot",
		Link: "https://github.com/acme/payment/actions/runs/117", At: time.Date(2026, 11, 20, 8, 14, 31, 0, time.UTC), Source: Source,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestWhatAWebhookComesTo(t *testing.T) {
	status, started := recorded(t, "deployment_status"), recorded(t, "deployment")
	names := change.Names{{Match: regexp.MustCompile(`acme/(.+)`), Service: "shop/$1"}}
	for _, tc := range []struct {
		point, event, text string
		o                  Options
		want               string
	}{
		{"a deployment is created", "deployment", started, Options{}, "payment deploy deployment started main (8f14e45f) to production, by ci-bot at 08:12:02"},
		{"it fails", "deployment_status", strings.Replace(status, `"state": "success"`, `"state": "failure"`, 1), Options{}, "payment deploy deployment failed main (8f14e45f) to production, by ci-bot at 08:14:31"},
		{"it goes on", "deployment_status", strings.Replace(status, `"state": "success"`, `"state": "in_progress"`, 1), Options{}, `note: state "in_progress" of a deployment is no change yet`},
		{"it takes something back", "deployment_status", strings.Replace(status, `"task": "deploy"`, `"task": "deploy:rollback"`, 1), Options{}, "payment rollback deployed main (8f14e45f) to production, by ci-bot at 08:14:31"},
		{"a rule maps the repository", "deployment_status", status, Options{Names: names}, "shop/payment deploy deployed main (8f14e45f) to production, by ci-bot at 08:14:31"},
		{"a rule leaves the repository out", "deployment_status", status, Options{Names: change.Names{{Match: regexp.MustCompile(`acme/.+`)}}}, "note: repository acme/payment: not taken, by the source's services"},
		{"of another environment", "deployment_status", status, Options{Environments: []string{"prod-eu"}}, `note: environment "production" is not one of the source's`},
		{"of this environment", "deployment", started, Options{Environments: []string{"prod-eu", "production"}}, "payment deploy deployment started main (8f14e45f) to production, by ci-bot at 08:12:02"},
		{"a ping", "ping", recorded(t, "ping"), Options{}, `note: event "ping" tells of no deployment; choose deployments and deployment statuses`},
		{"no event named", "", status, Options{}, `note: event "" tells of no deployment; choose deployments and deployment statuses`},
		{"no repository", "deployment", `{"deployment": {}}`, Options{}, "error: repository.full_name: missing (line 1, byte 0)"},
		{"no state", "deployment_status", `{"repository": {"full_name": "a/b", "name": "b"}}`, Options{}, "error: deployment_status.state: missing (line 1, byte 0)"},
		{"a form instead of JSON", "deployment", `payload=%7B`, Options{}, "error: want an object, got 'p' (line 1, byte 0)"},
	} {
		t.Run(tc.point, func(t *testing.T) {
			changes, note, err := Decode(tc.event, []byte(tc.text), tc.o)
			var got string
			switch {
			case err != nil:
				got = "error: " + err.Error()
			case len(changes) == 0:
				got = "note: " + note
			default:
				c := changes[0]
				got = c.Service.String() + " " + c.Kind + " " + c.Summary + " at " + c.At.Format("15:04:05")
			}
			if got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

// FuzzDecode: what is decoded is fit for the stream, and every error has a place.
func FuzzDecode(f *testing.F) {
	for _, event := range []string{"deployment_status", "deployment", "ping"} {
		f.Add(event, []byte(recorded(f, event)))
	}
	f.Fuzz(func(t *testing.T, event string, text []byte) {
		changes, note, err := Decode(event, text, Options{})
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

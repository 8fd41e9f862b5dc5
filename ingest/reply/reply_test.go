package reply

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// key is that of INC-41's first page.
const key = "5ca2ac1c7a6edcb7638024e00472b3dc192575b1fa1a7345535a11a1b3cddead"

type decoder func([]byte) ([]Reply, string, error)

func decoderOf(file string) decoder {
	switch service, _, _ := strings.Cut(file, "-"); service {
	case PagerDuty:
		return DecodePagerDuty
	case Opsgenie:
		return DecodeOpsgenie
	}
	return DecodeSlack
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDecode(t *testing.T) {
	const address = "https://acme.pagerduty.com/incidents/PGR0VU2"
	shown := Reply{Kind: Shown, Service: PagerDuty, Key: key, Address: address, Title: "PagerDuty 1812"}
	pressed := Reply{Kind: Acknowledged, Service: Slack, Incident: "INC-41", Actor: "ada"}
	for file, want := range map[string]struct {
		replies []Reply
		note    string
	}{
		"pagerduty-triggered.json":            {replies: []Reply{shown}},
		"pagerduty-acknowledged.json":         {replies: []Reply{shown, {Kind: Acknowledged, Service: PagerDuty, Key: key, Actor: "Ada Byron"}}},
		"pagerduty-unacknowledged.json":       {replies: []Reply{{Kind: Unacknowledged, Service: PagerDuty, Key: key}}},
		"pagerduty-resolved-by-a-person.json": {replies: []Reply{{Kind: Resolved, Service: PagerDuty, Key: key, Actor: "Ada Byron"}}},
		"pagerduty-resolved-by-us.json":       {note: "event incident.resolved: by no person"},
		"pagerduty-annotated.json":            {replies: []Reply{{Kind: Noted, Service: PagerDuty, Address: address, Actor: "Ada Byron", Text: "restarting the shipping pods, one by one"}}},
		"pagerduty-ping.json":                 {note: "event pagey.ping: nothing for an incident"},
		"opsgenie-acknowledge.json":           {replies: []Reply{{Kind: Acknowledged, Service: Opsgenie, Key: key, Actor: "ada@example.org"}}},
		"opsgenie-unacknowledge.json":         {replies: []Reply{{Kind: Unacknowledged, Service: Opsgenie, Key: key, Actor: "ada@example.org"}}},
		"opsgenie-note.json":                  {replies: []Reply{{Kind: Noted, Service: Opsgenie, Key: key, Actor: "ada@example.org", Text: "looking at the connection pool"}}},
		"opsgenie-close-by-a-person.json":     {replies: []Reply{{Kind: Resolved, Service: Opsgenie, Key: key, Actor: "ada@example.org"}}},
		"opsgenie-close-by-us.json":           {note: "action Close: by no person"},
		"opsgenie-create.json":                {note: "action Create: nothing for an incident"},
		"slack-interactive-message.form":      {replies: []Reply{pressed}},
		"slack-block-actions.form":            {replies: []Reply{pressed}},
		"slack-other-button.form":             {note: `"interactive_message" holds no action of ours`},
	} {
		t.Run(file, func(t *testing.T) {
			replies, note, err := decoderOf(file)(readFile(t, file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.replies, replies); diff != "" || note != want.note {
				t.Errorf("note %q, want %q; replies (-want +got):\n%s", note, want.note, diff)
			}
		})
	}
}

func TestDecode_OfAnotherShapeSaysWhatItWants(t *testing.T) {
	for _, tc := range []struct {
		decode decoder
		text   string
		want   string
	}{
		{DecodePagerDuty, `{"messages": []}`, "event.event_type: missing: want an event of a webhook subscription, version 3"},
		{DecodePagerDuty, `{"event": 3}`, "event"},
		{DecodeOpsgenie, `{}`, "action: missing: want what the webhook integration posts"},
		{DecodeSlack, `{"type": "block_actions"}`, "payload: missing: want a form"},
		{DecodeSlack, `payload=%7B`, "payload: "},
	} {
		if _, _, err := tc.decode([]byte(tc.text)); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s…", tc.text, err, tc.want)
		}
	}
}

func TestDecodePagerDuty_OfIncidentsThatAreNotOursIsNoReply(t *testing.T) {
	text := strings.ReplaceAll(string(readFile(t, "pagerduty-acknowledged.json")), key, "srv01/HTTP")
	replies, note, err := DecodePagerDuty([]byte(text))
	if len(replies) > 0 || err != nil || !strings.Contains(note, "that no page of ours opened") {
		t.Errorf("%v, %q, %v", replies, note, err)
	}
}

func hmacOf(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestPagerDutySigned_TakesAnyOfItsSignatures(t *testing.T) {
	good := "v1=" + hmacOf("secret", "text")
	for header, want := range map[string]bool{
		good: true, "v1=00," + good: true, good + ", v1=00": true, "v0=" + hmacOf("secret", "text"): false, hmacOf("secret", "text"): false, "": false, "v1=" + hmacOf("other", "text"): false, "v1=": false,
	} {
		if got := PagerDutySigned(header, []byte("secret"), []byte("text")); got != want {
			t.Errorf("%s: %t", header, got)
		}
	}
}

func TestSlackSigned_HoldsForFiveMinutes(t *testing.T) {
	at := time.Unix(1773457541, 0)
	stamp := fmt.Sprint(at.Unix())
	good := "v0=" + hmacOf("secret", "v0:"+stamp+":text")
	for name, tc := range map[string]struct {
		header, stamp string
		now           time.Time
		want          string
	}{
		"at once":             {good, stamp, at, ""},
		"just in time":        {good, stamp, at.Add(SignatureWindow), ""},
		"too late":            {good, stamp, at.Add(SignatureWindow + time.Second), "signed more than"},
		"from the future":     {good, stamp, at.Add(-SignatureWindow - time.Second), "signed more than"},
		"with another time":   {good, fmt.Sprint(at.Unix() + 1), at, "want the header X-Slack-Signature"},
		"without a time":      {good, "", at, "want the header X-Slack-Request-Timestamp"},
		"without a signature": {"", stamp, at, "want the header X-Slack-Signature"},
		"by another secret":   {"v0=" + hmacOf("other", "v0:"+stamp+":text"), stamp, at, "want the header X-Slack-Signature"},
	} {
		err := SlackSigned(tc.header, tc.stamp, []byte("secret"), []byte("text"), tc.now)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func fuzz(f *testing.F, service string, decode decoder) {
	files, err := filepath.Glob("testdata/" + service + "-*")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		f.Add(readFile(f, filepath.Base(file)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		replies, note, err := decode(text)
		if (err == nil) != (len(replies) > 0 || note != "") {
			t.Fatalf("%d replies, note %q, error %v", len(replies), note, err)
		}
		for _, r := range replies {
			if r.Service != service || r.Incident == "" && !isKey(r.Key) && r.Address == "" {
				t.Errorf("%+v names no incident", r)
			}
			if len(r.Actor) > maxActor || len(r.Text) > maxText || !utf8.ValidString(r.Actor+r.Text) {
				t.Errorf("%+v is not bounded", r)
			}
			if u, err := url.Parse(r.Address); r.Kind == Shown && (err != nil || u.Scheme != "https") {
				t.Errorf("%+v leads nowhere", r)
			}
		}
	})
}

func FuzzPagerDuty(f *testing.F) { fuzz(f, PagerDuty, DecodePagerDuty) }
func FuzzOpsgenie(f *testing.F)  { fuzz(f, Opsgenie, DecodeOpsgenie) }
func FuzzSlack(f *testing.F)     { fuzz(f, Slack, DecodeSlack) }

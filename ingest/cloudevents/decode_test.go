package cloudevents

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

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func none(string) string { return "" }

func headers(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if strings.EqualFold(pairs[i], name) {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestOneEventInEveryMode(t *testing.T) {
	structured, err := Decode("application/cloudevents+json; charset=utf-8", none, recorded(t, "structured"))
	if err != nil || len(structured) != 1 {
		t.Fatal(err, structured)
	}
	want := structured[0]
	if want.ID != "271069a8-fc18-44f1-b38f-9d70a1695819" || want.Source != "/deployer/eu-1" || want.Subject != "shop/payment" ||
		!want.Time.Equal(time.Date(2026, 11, 20, 8, 14, 31, 0, time.UTC)) || want.Extensions["traceparent"] == "" {
		t.Errorf("structured: %+v", want)
	}
	want.Extensions = nil // extensions of other names are headers like any other in binary mode
	binary, err := Decode("application/json", headers(
		"ce-specversion", "1.0", "CE-ID", want.ID, "ce-source", "/deployer/eu%2D1", "ce-type", want.Type, "ce-subject", "shop/payment", "ce-time", "2026-11-20T09:14:31+01:00",
	), want.Data)
	if err != nil || len(binary) != 1 {
		t.Fatal(err, binary)
	}
	if diff := cmp.Diff(want, binary[0]); diff != "" {
		t.Errorf("binary (-structured +binary):\n%s", diff)
	}
}

func TestABatchWithPlainAndEncodedData(t *testing.T) {
	events, err := Decode("application/cloudevents-batch+json", none, recorded(t, "batch"))
	if err != nil || len(events) != 2 {
		t.Fatal(err, events)
	}
	if got := string(events[1].Data); got != `{"service": "stock"}` {
		t.Errorf("data %s", got)
	}
	if got := events[0].Attributes(); got["type"] != "com.example.deadlock" || got["time"] != "2026-11-20T08:31:00Z" || got["id"] != "A234-1234-1234" {
		t.Errorf("attributes %v", got)
	}
}

func TestWhatIsACloudEvent(t *testing.T) {
	for _, tc := range []struct {
		contentType string
		header      func(string) string
		want        bool
	}{
		{"application/cloudevents+json", none, true},
		{"application/cloudevents-batch+json; charset=UTF-8", none, true},
		{"application/json", headers("ce-specversion", "1.0"), true},
		{"application/json", none, false},
		{"", none, false},
	} {
		if got := Is(tc.contentType, tc.header); got != tc.want {
			t.Errorf("%q: %v", tc.contentType, got)
		}
	}
}

func TestRefusedEnvelopesNameTheAttribute(t *testing.T) {
	const structured, batch = "application/cloudevents+json", "application/cloudevents-batch+json"
	for _, tc := range []struct {
		point, contentType string
		header             func(string) string
		text, want         string
	}{
		{"no version", structured, none, `{"id":"1","source":"a","type":"t"}`, "specversion: missing: the specification of CloudEvents requires it (line 1, byte 0)"},
		{"an old version", structured, none, `{"specversion":"0.3","id":"1","source":"a","type":"t"}`, `specversion: want 1.0, got "0.3" (line 1, byte 0)`},
		{"no type, second of a batch", batch, none, `[{"specversion":"1.0","id":"1","source":"a","type":"t"},{"specversion":"1.0","id":"2","source":"a"}]`, "[1].type: missing: the specification of CloudEvents requires it (line 1, byte 56)"},
		{"no id, in headers", "application/json", headers("ce-specversion", "1.0", "ce-source", "a", "ce-type", "t"), `{}`, "ce-id: missing: the specification of CloudEvents requires it"},
		{"no time, in headers", "application/json", headers("ce-specversion", "1.0", "ce-time", "noon"), `{}`, `ce-time: want a time such as 2026-01-05T00:07:22Z (RFC 3339), got "noon"`},
		{"no base64", structured, none, `{"specversion":"1.0","id":"1","source":"a","type":"t","data_base64":"?"}`, "data_base64: is not base64 (line 1, byte 68)"},
		{"too many", batch, none, "[" + strings.Repeat(`{"specversion":"1.0","id":"1","source":"a","type":"t"},`, MaxEvents) + "{}]", "[500]: too many: send at most 500 events at a time (line 1, byte 27501)"},
	} {
		t.Run(tc.point, func(t *testing.T) {
			if _, err := Decode(tc.contentType, tc.header, []byte(tc.text)); err == nil || err.Error() != tc.want {
				t.Errorf("\n got %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestACDEventAboutAServiceIsAChange(t *testing.T) {
	events, err := Decode("application/cloudevents+json", none, recorded(t, "structured"))
	if err != nil {
		t.Fatal(err)
	}
	got, note, err := Change(&events[0], nil)
	if err != nil || note != "" {
		t.Fatal(err, note)
	}
	want := &correlate.Change{
		Service: topology.Ref{Namespace: "shop", Name: "payment"}, Kind: "deploy", At: time.Date(2026, 11, 20, 8, 14, 31, 0, time.UTC), Source: ChangeSource,
		Summary: "deployed in production: pkg:oci/payment@sha256%3A0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("change (-want +got):\n%s", diff)
	}
	got, _, err = Change(&events[0], change.Names{{Match: regexp.MustCompile(`shop/(.*)`), Service: "prod/$1"}})
	if err != nil || got.Service.Namespace != "prod" {
		t.Errorf("mapped: %+v, %v", got, err)
	}
	for _, typ := range []string{"dev.cdevents.pipelinerun.finished.0.2.0", "com.example.deployed", "dev.cdevents.service.paused.0.1.0"} {
		other := events[0]
		other.Type = typ
		if c, note, err := Change(&other, nil); c != nil || note == "" || err != nil {
			t.Errorf("%s: %v, %q, %v", typ, c, note, err)
		}
	}
	events[0].Data = []byte(`{"subject": {}}`)
	if _, _, err := Change(&events[0], nil); err == nil || !strings.HasPrefix(err.Error(), "data.subject.id: missing") {
		t.Errorf("no id: %v", err)
	}
}

// FuzzDecode: events have what the specification requires, and every error is one about the body.
func FuzzDecode(f *testing.F) {
	f.Add("application/cloudevents+json", "", recorded(f, "structured"))
	f.Add("application/cloudevents-batch+json", "", recorded(f, "batch"))
	f.Add("application/json", "a%20b", []byte(`{"service": "cart"}`))
	f.Fuzz(func(t *testing.T, contentType, attribute string, text []byte) {
		events, err := Decode(contentType, func(string) string { return attribute }, text)
		var bad *body.Error
		if err != nil && !errors.As(err, &bad) {
			t.Fatalf("not about the body: %v", err)
		}
		for i := range events {
			ev := &events[i]
			if ev.ID == "" || ev.Source == "" || ev.Type == "" {
				t.Errorf("event %d lacks an attribute: %+v", i, ev)
			}
			if _, _, err := Change(ev, nil); err != nil && !errors.As(err, &bad) {
				t.Errorf("not about the body: %v", err)
			}
		}
	})
}

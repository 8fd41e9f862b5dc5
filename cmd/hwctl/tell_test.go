package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// told is what incidents show prints of an incident.
func told(i *headwaterv1.Incident, output string) string {
	var out bytes.Buffer
	a := newApp(&out, &out, func() time.Time { return now }, false)
	a.output = output
	a.tell(i, nil)
	return out.String()
}

func candidate(name string, probability float64, reasons ...*headwaterv1.Reason) *headwaterv1.Origin {
	return &headwaterv1.Origin{Service: &headwaterv1.ServiceRef{Name: name}, Probability: probability, Reasons: reasons}
}

func because(text string, weight float64) *headwaterv1.Reason {
	return &headwaterv1.Reason{Text: text, Weight: weight}
}

func TestShowTellsReasonsForFromReasonsAgainst(t *testing.T) {
	i := &headwaterv1.Incident{Id: "INC-1", Origins: []*headwaterv1.Origin{
		candidate("db", .6, because("the order fits another better", -2.8), because("explains all", 2.5), because("runs hot", .3)),
		candidate("app", .2, because("explains half", -2.5), because("the order fits", 1.5)),
		candidate("web", .1, because("explains little", -4)),
		candidate("queue", .05),
		candidate("cache", .02, because("the order fits", .2)),
		candidate("mail", .01, because("nothing fits", -9)),
	}}
	want := `Origin    db (60 %), service
Why       explains all  +2.5
          runs hot  +0.3
But       the order fits another better  -2.8
Or        app (20 %): the order fits  +1.5
          web (10 %), but explains little  -4.0
          queue (5 %)
          2 other services (3 % together); -o wide lists them
`
	if got := told(i, "table"); !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant in it\n%s", got, want)
	}
	wide := told(i, "wide")
	for _, want := range []string{"cache (2 %)", "but nothing fits  -9.0", "but explains half  -2.5"} {
		if !strings.Contains(wide, want) {
			t.Errorf("no %q with -o wide:\n%s", want, wide)
		}
	}
}

func TestShowSaysWhenItEndedAsPagesDo(t *testing.T) {
	at := func(minutes int) *timestamppb.Timestamp {
		return timestamppb.New(now.Add(time.Duration(minutes) * time.Minute))
	}
	i := &headwaterv1.Incident{
		Id: "INC-1", State: headwaterv1.IncidentState_INCIDENT_STATE_RESOLVED,
		StartedAt: at(-40), QuietSince: at(-20), ResolvedAt: at(-10),
	}
	if got := told(i, "table"); !strings.Contains(got, "(20m)") {
		t.Errorf("it lasted until its last alert ended:\n%s", got)
	}
	i.QuietSince = nil // resolved by an operator while alerts fired
	if got := told(i, "table"); !strings.Contains(got, "(30m)") {
		t.Errorf("it lasted until it was resolved:\n%s", got)
	}
}

func TestTimelineSaysItsKindOnce(t *testing.T) {
	for _, tc := range []struct{ kind, who, text, want string }{
		{"joined", "", "joined: shipping (1 alert)", "joined: shipping (1 alert)"},
		{"page", "", "page (open): opened 29s ago", "page (open): opened 29s ago"},
		{"origin", "", "probable origin is now db", "origin: probable origin is now db"},
		{"acknowledged", " by ops", "acknowledged: on it", "acknowledged by ops: on it"},
		{"acknowledged", " by ops", "acknowledged", "acknowledged by ops"},
		{"note", " by ops", "noted", "note by ops: noted"},
		{"resolved", "", "", "resolved"},
	} {
		if got := entry(tc.kind, tc.who, tc.text); got != tc.want {
			t.Errorf("entry(%q, %q, %q) = %q, want %q", tc.kind, tc.who, tc.text, got, tc.want)
		}
	}
}

func TestPathSaysWhichAlertedFirst(t *testing.T) {
	for delay, want := range map[time.Duration]string{
		130 * time.Second: " (130 s later, depends)", -70 * time.Second: " (alerted 70 s earlier, depends)", 0: " (depends)",
	} {
		if got := howItSpread(&headwaterv1.PathEdge{Delay: durationpb.New(delay), Kind: "depends"}); got != want {
			t.Errorf("%v: %q, want %q", delay, got, want)
		}
	}
	if got := howItSpread(&headwaterv1.PathEdge{}); got != "" {
		t.Errorf("without a delay: %q", got)
	}
}

func TestNoAnswerTellsWhatToTry(t *testing.T) {
	for _, tc := range []struct {
		text, want string
		tls        bool
	}{
		{"error reading server preface: EOF", "add --tls", false},
		{"authentication handshake failed: tls: failed to verify certificate: x509", "--tls.ca-file", true},
		{"tls: first record does not look like a TLS handshake", "leave out --tls", true},
		{"connect: connection refused", "Is the server running", false},
	} {
		a := newApp(&bytes.Buffer{}, &bytes.Buffer{}, time.Now, false)
		a.server.tls = tc.tls
		if got := a.wayIn(tc.text); !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q in it", tc.text, got, tc.want)
		}
	}
}

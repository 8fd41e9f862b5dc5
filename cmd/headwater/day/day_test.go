package day

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/headwater-sre/headwater/ingest/alertmanager"
	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func parsed(t *testing.T, text string) *Day {
	t.Helper()
	d, err := Parse("day.txt", text, func(string) ([]byte, error) { return nil, errors.New("no files") })
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// told is a day's steps, one a line, as "03:00:12 what".
func told(d *Day) string {
	var b strings.Builder
	for i := range d.Steps {
		s := &d.Steps[i]
		b.WriteString(s.At.Format("15:04:05") + " ")
		switch {
		case s.Post != nil && s.Post.Says == "":
			b.WriteString("+[" + strings.Join(s.Post.Fresh, ", ") + "] -[" + strings.Join(s.Post.Over, ", ") + "]")
		case s.Post != nil:
			b.WriteString(s.Post.Path + " " + s.Post.Says)
		case s.Call != nil:
			b.WriteString(s.Call.Actor + " " + s.Call.Says)
		case s.Outage != nil && s.Outage.Down:
			b.WriteString(s.Outage.Receiver + " down")
		case s.Outage != nil:
			b.WriteString(s.Outage.Receiver + " up")
		case s.Asked:
			b.WriteString("asked")
		default:
			b.WriteString(s.Say)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// The group as a whole is sent after its first alert, when it changed, and when it did
// not for long; an alert that came and went in between is never told.
func TestAnAlertmanagerTellsGroupsAsARealOneDoes(t *testing.T) {
	d := parsed(t, `
day 2026-11-17
alertmanager group_by=service group_wait=5s group_interval=30s repeat_interval=2m
03:00 firing db Down critical
03:00:10 for 10s firing db Blip warning
03:00:20 firing db Slow warning
03:04 resolved db Down
03:05 resolved db
03:00 for 1m firing web Errors
03:20 say it is over
04:00 for 1m firing db Down
`)
	const want = `03:00:05 +[db Down] -[]
03:00:05 +[web Errors] -[]
03:00:35 +[db Slow] -[]
03:01:05 +[] -[web Errors]
03:02:35 +[] -[]
03:04:05 +[] -[db Down]
03:05:05 +[] -[db Slow]
03:20:00 it is over
04:00:05 +[db Down] -[]
04:01:05 +[] -[db Down]
`
	if got := told(d); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	for i := range d.Steps {
		if p := d.Steps[i].Post; p != nil {
			if _, err := alertmanager.DecodeWebhook(p.Body); err != nil {
				t.Errorf("%s: %v", p.Body, err)
			}
		}
	}
}

func TestWhatIsSilencedIsToldToWhoAsks(t *testing.T) {
	d := parsed(t, `
day 2026-11-17
alertmanager group_interval=30s
03:00 silence service=db until 04:00 by ann "a move"
03:30 firing db Down critical
03:50 for 20m firing web Down critical
05:00 end
`)
	if got := told(d); got != `03:00:00 asked
03:30:00 asked
03:50:00 +[web Down] -[]
04:00:00 asked
04:00:00 +[db Down] -[]
04:10:00 +[] -[web Down]
` {
		t.Errorf("got\n%s", got)
	}
	half := d.Begin.Add(3*time.Hour + 45*time.Minute)
	held, err := alertmanager.DecodeHeld(d.Alertmanager.Answer("/api/v2/alerts", half))
	if err != nil || len(held) != 1 || len(held[0].SilencedBy) != 1 {
		t.Fatalf("held %+v, %v", held, err)
	}
	silences, err := alertmanager.DecodeSilences(d.Alertmanager.Answer("/api/v2/silences", half))
	if err != nil || len(silences) != 1 || silences[0].ID != held[0].SilencedBy[0] || silences[0].Comment != "a move" {
		t.Errorf("silences %+v, %v", silences, err)
	}
	if _, err := alertmanager.DecodeStatus(d.Alertmanager.Answer("/api/v2/status", half)); err != nil {
		t.Error(err)
	}
}

func TestPeopleCallTheAPI(t *testing.T) {
	d := parsed(t, `
day 2026-11-17
03:00 ann: acknowledge @db looking at it
03:01 ben: status INC-1 mitigating restarting
03:02 cleo: public-update INC-1 Orders may fail.
03:03 ann: split INC-1 shop/a shop/b
03:04 ann: close INC-1 done
03:05 ann: call IncidentService/SetIncidentSeverity {"id": "INC-1", "severity": "INCIDENT_SEVERITY_SEV1"}
`)
	for i, want := range []struct{ method, request string }{
		{"AcknowledgeIncident", `{"id":"@db","actor":"ann","note":"looking at it"}`},
		{"SetIncidentStatus", `{"id":"INC-1","status":"INCIDENT_STATUS_MITIGATING","actor":"ben","note":"restarting"}`},
		{"AddIncidentUpdate", `{"id":"INC-1","text":"Orders may fail.","public":true,"actor":"cleo"}`},
		{"SplitIncident", `{"id":"INC-1","services":["shop/a","shop/b"],"actor":"ann"}`},
		{"SetIncidentStatus", `{"id":"INC-1","status":"INCIDENT_STATUS_CLOSED","actor":"ann","note":"done"}`},
		{"SetIncidentSeverity", `{"id":"INC-1","severity":"INCIDENT_SEVERITY_SEV1","actor":"ann"}`},
	} {
		c := d.Steps[i].Call
		text, err := protojson.MarshalOptions{}.Marshal(c.Request)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(strings.ReplaceAll(string(text), `": "`, `":"`), `, "`, `,"`)
		got = strings.ReplaceAll(got, `": `, `":`)
		if c.Method != "/"+headwaterv1.IncidentService_ServiceDesc.ServiceName+"/"+want.method || got != want.request {
			t.Errorf("%s %s, want %s %s", c.Method, got, want.method, want.request)
		}
	}
}

func TestMistakesAreToldWithTheirLine(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{"25:61 say x", `day.txt:3: "25:61" is no time of day`},
		{"03:00", "says when, but not what"},
		{"03:00 fires db Down", `"fires" is nothing that happens`},
		{"03:00 firing db", "want <service> <AlertName>"},
		{"03:00 resolved db Down", "nothing fires then that has"},
		{"03:00 repeat 0 every 1s firing db Down", "want a number up to 10000"},
		{"03:00 repeat 2 every 1s firing db Down", "db Down fires already, since line 3"},
		{"03:00 ann: dance INC-1", `"dance" is nothing that people do`},
		{"03:00 ann: status INC-1 asleep", `"asleep" is none of`},
		{"03:00 ann: call IncidentService/Nothing {}", "there is no method"},
		{"03:00 ann: call IncidentService/GetIncident {\"ide\": 1}", "unknown field"},
		{"03:00 receiver oncall broken", "want: receiver NAME down, or up"},
		{"03:00 silence until 04:00 by ann", "want: silence label=value"},
		{`03:00 say "x`, "a quote is not closed"},
		{"03:00 post /webhook/x a.json", "no files"},
		{"day 2026-11-16", "is not after 2026-11-17"},
		{"alertmanager group_weight=1s", "there is no setting group_weight"},
	} {
		_, err := Parse("day.txt", "\nday 2026-11-17\n"+tc.line+"\n", func(string) ([]byte, error) { return nil, errors.New("no files") })
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "day.txt:3: ") {
			t.Errorf("%s: got %v, want %q with its line", tc.line, err, tc.want)
		}
	}
	if _, err := Parse("day.txt", "# nothing\n", nil); err == nil || !strings.Contains(err.Error(), "names no day") {
		t.Errorf("a text without a day: %v", err)
	}
}

func TestALineCanHappenManyTimes(t *testing.T) {
	d := parsed(t, `
day 2026-11-17
23:59:58 repeat 3 every 2s firing a Down pod=p-{n} zone={x|y}
day 2026-11-18
00:01 every 30s until 00:02 health b failing "refused"
03:00 end
`)
	if got := told(d); got != `23:59:58 +[a Down] -[]
00:00:08 +[a Down, a Down] -[]
00:01:00 /webhook/health b is failing
00:01:30 /webhook/health b is failing
00:02:00 /webhook/health b is failing
` {
		t.Errorf("got\n%s", got)
	}
	if !d.End.Equal(d.Begin.AddDate(0, 0, 1).Add(3 * time.Hour)) {
		t.Errorf("ends at %v", d.End)
	}
}

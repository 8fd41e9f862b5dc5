package ingest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/reply"
	"github.com/headwater-sre/headwater/ingest/source"
)

// oneIncident answers every reply with itself.
type oneIncident struct {
	incident *correlate.Incident
	err      error
	asked    reply.Reply // the latest
}

func (o *oneIncident) Answered(_ context.Context, r *reply.Reply) (*correlate.Incident, error) {
	o.asked = *r
	return o.incident, o.err
}

var pressedAt = time.Unix(1773457541, 0)

// answering is an intake with a source of each kind of replies; secret is the secret of each.
func answering(t *testing.T, s *stream, incidents Incidents) *Intake {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"secret": "secret\n", "headwater.yaml": `sources:
- {name: pd, kind: pagerduty, hmac_secret_file: secret}
- {name: chat, kind: slack, hmac_secret_file: secret}
- {name: og, kind: opsgenie, bearer_token_file: secret}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sources, err := source.Load(filepath.Join(dir, "headwater.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	in := newIntake(t, Options{Publisher: s, Incidents: incidents, Now: func() time.Time { return pressedAt }})
	in.SetSources(sources)
	return in
}

func recordedReply(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("reply", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func signatureOf(text string) string {
	mac := hmac.New(sha256.New, []byte("secret"))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

func fromPagerDuty(t *testing.T, in *Intake, text string) response {
	t.Helper()
	return post(t, in, "/webhook/source/pd", text, reply.PagerDutySignature, "v1="+signatureOf(text))
}

func fromSlack(t *testing.T, in *Intake, text string, at time.Time) response {
	t.Helper()
	stamp := fmt.Sprint(at.Unix())
	return post(t, in, "/webhook/source/chat", text, reply.SlackTimestamp, stamp, reply.SlackSignature, "v0="+signatureOf("v0:"+stamp+":"+text))
}

func openIncident() *correlate.Incident {
	return &correlate.Incident{ID: "INC-41", Firing: 3, Revision: 77}
}

// commands renders what was published.
func commands(s *stream) (out []string) {
	for _, sig := range s.signals {
		c := sig.(*correlate.Command)
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s by %s from %s: %s%s", c.Kind, c.Incident, c.Actor, c.Source, c.Text, c.Link.URL)))
	}
	return out
}

func wantCommands(t *testing.T, s *stream, want ...string) {
	t.Helper()
	if got := commands(s); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAnAcknowledgementInPagerDutyIsOneHere(t *testing.T) {
	s, found := &stream{}, &oneIncident{incident: openIncident()}
	in := answering(t, s, found)
	if got := fromPagerDuty(t, in, recordedReply(t, "pagerduty-acknowledged.json")); got.Code != 200 || got.Accepted != 2 {
		t.Errorf("answer %+v", got)
	}
	wantCommands(t, s, "link INC-41 by pagerduty from pagerduty: https://acme.pagerduty.com/incidents/PGR0VU2", "acknowledge INC-41 by Ada Byron from pagerduty:")
}

func TestRepliesWithoutTheirSecretAreRefused(t *testing.T) {
	s := &stream{}
	in := answering(t, s, &oneIncident{incident: openIncident()})
	pd, chat, og := recordedReply(t, "pagerduty-acknowledged.json"), recordedReply(t, "slack-block-actions.form"), recordedReply(t, "opsgenie-acknowledge.json")
	stamp := fmt.Sprint(pressedAt.Unix())
	for name, got := range map[string]response{
		"pagerduty, unsigned":       post(t, in, "/webhook/source/pd", pd),
		"pagerduty, another scheme": post(t, in, "/webhook/source/pd", pd, reply.PagerDutySignature, "sha256="+signatureOf(pd)),
		"slack, unsigned":           post(t, in, "/webhook/source/chat", chat),
		"slack, too old":            fromSlack(t, in, chat, pressedAt.Add(-6*time.Minute)),
		"slack, body alone signed":  post(t, in, "/webhook/source/chat", chat, reply.SlackTimestamp, stamp, reply.SlackSignature, "v0="+signatureOf(chat)),
		"opsgenie, no token":        post(t, in, "/webhook/source/og", og),
		"opsgenie, another token":   post(t, in, "/webhook/source/og", og, "Authorization", "Bearer other"),
	} {
		if got.Code != 401 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for _, kind := range []string{source.KindPagerDuty, source.KindSlack, source.KindOpsgenie} {
		w := httptest.NewRecorder()
		in.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/webhook/"+kind, strings.NewReader(pd)))
		if w.Code != http.StatusNotFound {
			t.Errorf("/webhook/%s is served without a secret: %d", kind, w.Code)
		}
	}
	wantCommands(t, s)
}

func TestAButtonInSlackAcknowledgesOnceAndTellsWhoPressedIt(t *testing.T) {
	s := &stream{}
	in := answering(t, s, &oneIncident{incident: openIncident()})
	text := recordedReply(t, "slack-interactive-message.form")
	got := fromSlack(t, in, text, pressedAt)
	if want := `{"replace_original":false,"response_type":"ephemeral","text":"INC-41 is acknowledged by ada"}`; got.Code != 200 || strings.TrimSpace(got.Text) != want {
		t.Errorf("%d %s, want %s", got.Code, got.Text, want)
	}
	if got := fromSlack(t, in, text, pressedAt); got.Code != 401 {
		t.Errorf("the same request again: %d %s", got.Code, got.Text)
	}
	wantCommands(t, s, "acknowledge INC-41 by ada from slack:")
}

func TestWhatOpsgenieTellsTwiceIsDoneOnce(t *testing.T) {
	s, found := &stream{}, &oneIncident{incident: openIncident()}
	in := answering(t, s, found)
	send := func(file string) response {
		return post(t, in, "/webhook/source/og", recordedReply(t, file), "Authorization", "Bearer secret")
	}
	send("opsgenie-acknowledge.json")
	send("opsgenie-note.json")
	found.incident.Ack = &correlate.Acknowledgement{By: "ada@example.org"}
	found.incident.Timeline = []correlate.TimelineEntry{{Kind: correlate.TimelineNote, Text: "looking at the connection pool", Actor: "ada@example.org", Source: "opsgenie"}}
	for _, file := range []string{"opsgenie-acknowledge.json", "opsgenie-note.json"} {
		if got := send(file); got.Code != 200 || got.Accepted != 0 || got.Note == "" {
			t.Errorf("%s again: %+v", file, got)
		}
	}
	wantCommands(t, s, "acknowledge INC-41 by ada@example.org from opsgenie:", "add note INC-41 by ada@example.org from opsgenie: looking at the connection pool")
}

func TestAResolveElsewhereEndsOnlyWhatNoLongerFires(t *testing.T) {
	s, found := &stream{}, &oneIncident{incident: openIncident()}
	in := answering(t, s, found)
	text := recordedReply(t, "pagerduty-resolved-by-a-person.json")
	fromPagerDuty(t, in, text)
	found.incident.Firing = 0
	fromPagerDuty(t, in, text)
	wantCommands(t, s,
		"add note INC-41 by Ada Byron from pagerduty: resolved in pagerduty while 3 of its alerts fire: the incident stays open",
		"resolve INC-41 by Ada Byron from pagerduty: resolved in pagerduty")
	if c := s.signals[1].(*correlate.Command); c.IfRevision != 77 {
		t.Errorf("resolved at any revision: %d", c.IfRevision)
	}
	found.incident.State = correlate.IncidentResolved
	if got := fromPagerDuty(t, in, text); got.Code != 200 || got.Accepted != 0 {
		t.Errorf("what is over already: %+v", got)
	}
}

func TestAReplyWhoseIncidentCannotBeLookedUpIsAskedForAgain(t *testing.T) {
	s := &stream{}
	in := answering(t, s, &oneIncident{err: errors.New("disk full")})
	if got := fromPagerDuty(t, in, recordedReply(t, "pagerduty-acknowledged.json")); got.Code != 503 {
		t.Errorf("%+v", got)
	}
	in = answering(t, s, &oneIncident{})
	if got := fromPagerDuty(t, in, recordedReply(t, "pagerduty-acknowledged.json")); got.Code != 200 || got.Accepted != 0 || !strings.Contains(got.Note, "no incident") {
		t.Errorf("a page that nobody knows: %+v", got)
	}
	if got := fromPagerDuty(t, in, `{"event": 3}`); got.Code != 400 || len(s.letters) != 1 {
		t.Errorf("of no use: %+v, %d dead letters", got, len(s.letters))
	}
}

// Package reply decodes what people answered to a page at the service that showed it to
// them: the webhooks of PagerDuty and Opsgenie, and the buttons of Slack.
//
// It is pure. A [Reply] names its incident as the service does, by the key or the id that
// the page gave it; to find the incident, and to make a command of the reply, is the intake's.
// What a program did there (Headwater itself above all, which resolves what it opened)
// is no reply: the decoders say so in a note.
package reply

import (
	"net/url"
	"strings"

	"github.com/headwater-sre/headwater/ingest/body"
)

// Kind is what somebody did.
type Kind uint8

// The kinds of replies.
const (
	Shown          Kind = iota // nothing yet: the service tells where it shows the page
	Acknowledged               // somebody has it
	Unacknowledged             // and no longer
	Noted                      // wrote Text
	Resolved                   // called it over
)

var kindNames = [...]string{"shown", "acknowledged", "unacknowledged", "noted", "resolved"}

// String returns the lower-case name.
func (k Kind) String() string { return kindNames[k] }

// Reply is one thing that somebody did about a page.
type Reply struct {
	Kind Kind
	// Service is where: pagerduty, opsgenie or slack.
	Service string
	// One of these tells which incident: Headwater's id; the key by which the service
	// folds pages, as 64 hexadecimal digits; the address of the service's own page of it.
	Incident, Key, Address string
	// Title is what a link to Address is called.
	Title string
	// Actor is the person's name as the service knows it.
	Actor string
	// Text is what the person wrote; empty for most.
	Text string
}

// What is kept of texts, in bytes.
const (
	maxActor = 128
	maxText  = 4 << 10
	maxID    = 64
)

// tidy bounds what came from outside.
func (r Reply) tidy() Reply {
	r.Actor, r.Text, r.Title = body.Cut(strings.TrimSpace(r.Actor), maxActor), body.Cut(strings.TrimSpace(r.Text), maxText), body.Cut(r.Title, maxID)
	return r
}

// isKey reports whether a page's key can look like that.
func isKey(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// webAddress is an address that a link may lead to, else empty.
func webAddress(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || len(text) > maxText {
		return ""
	}
	return text
}

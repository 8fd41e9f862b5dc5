package standin

import (
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	netmail "net/mail"
	"slices"
	"strings"
)

// Account is what people behind a receiver saw, by what they know of it: keys and messages.
type Account struct {
	Rang   int // opened something new that calls for somebody
	Edited int // changed or repeated what was open
	Ended  int // ended what was open
	Told   int // said something once, and that is all: a mail, a chat message, a notice
	// Refused are requests while it was down.
	Refused int
	// Open are titles that rang and never ended, in order.
	Open []string
	// Strange is what a receiver would wonder about: an end of what was never open, a body that it
	// cannot read.
	Strange []string
}

// book keeps the account of one receiver.
type book struct {
	Account
	refused int
	open    map[string]string // titles of what is open, by integration and key
	known   map[string]bool   // keys that were ever open
	stamps  int               // chat messages so far
}

func newBook() book { return book{open: map[string]string{}, known: map[string]bool{}} }

func (b *book) account() Account {
	a := b.Account
	a.Refused = b.refused
	a.Open = slices.Sorted(maps.Values(b.open))
	a.Strange = slices.Clone(b.Strange)
	return a
}

// answer suits everybody: each looks for a word of its own.
func (b *book) answer() string {
	return fmt.Sprintf(`{"status":"success","result":{"message_id":%[1]d},"ok":true,"success":true,"errcode":0,"access_token":"x","channel":"C1","ts":"%[1]d.000001","id":"%[1]d","key":"X-%[1]d"}`, b.stamps)
}

// take enters a request and says which status to answer.
func (b *book) take(r *http.Request, body []byte) (code int) {
	var fields map[string]any
	if len(body) > 0 && json.Unmarshal(body, &fields) != nil {
		b.Strange = append(b.Strange, fmt.Sprintf("%s %s: not JSON", r.Method, r.URL.Path))
		return http.StatusBadRequest
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/v2/enqueue"):
		b.pagerduty(fields)
		return http.StatusAccepted
	case strings.Contains(r.URL.Path, "/v2/alerts"):
		b.opsgenie(r, fields)
		return http.StatusAccepted
	case fields["groupKey"] != nil && fields["alerts"] != nil:
		b.webhook(fields)
	case strings.HasSuffix(r.URL.Path, "chat.update"):
		b.Edited++
	default:
		b.stamps++
		b.Told++
	}
	return http.StatusOK
}

// ring enters that something is open under a key.
func (b *book) ring(key, title string) {
	if _, open := b.open[key]; open {
		b.Edited++
	} else {
		b.Rang++
	}
	b.open[key], b.known[key] = title, true
}

// end enters that it is over.
func (b *book) end(key, title string) {
	switch _, open := b.open[key]; {
	case open:
		b.Ended++
		delete(b.open, key)
	case !b.known[key]:
		b.Strange = append(b.Strange, fmt.Sprintf("an end of what was never open: %s", title))
	}
}

// pagerduty reads an event of the Events API, version 2.
func (b *book) pagerduty(fields map[string]any) {
	key, title := "pagerduty "+text(fields, "dedup_key"), text(fields, "payload", "summary")
	switch action := text(fields, "event_action"); action {
	case "trigger":
		b.ring(key, title)
	case "resolve":
		b.end(key, title)
	case "acknowledge":
	default:
		b.Strange = append(b.Strange, fmt.Sprintf("PagerDuty knows no action %q", action))
	}
}

// opsgenie reads a call of the Alert API.
func (b *book) opsgenie(r *http.Request, fields map[string]any) {
	_, rest, _ := strings.Cut(r.URL.Path, "/v2/alerts")
	alias, action, _ := strings.Cut(strings.Trim(rest, "/"), "/")
	switch {
	case rest == "" || rest == "/":
		b.ring("opsgenie "+text(fields, "alias"), text(fields, "message"))
	case action == "close":
		b.end("opsgenie "+alias, alias)
	default: // message, description and the like of what is there
		b.Edited++
	}
}

// webhook reads a notification of a generic webhook. The page's kind is an annotation;
// rings of one incident have a key of their own each.
func (b *book) webhook(fields map[string]any) {
	alerts, _ := fields["alerts"].([]any)
	if len(alerts) != 1 {
		b.Strange = append(b.Strange, fmt.Sprintf("a page with %d alerts", len(alerts)))
		return
	}
	alert, _ := alerts[0].(map[string]any)
	key, title := "webhook "+text(alert, "labels", "incident"), text(alert, "annotations", "summary")
	switch text(alert, "annotations", "kind") {
	case "open":
		b.ring(key, title)
	case "resolved":
		b.end(key, title)
	case "update":
		b.Edited++
	case "ring", "escalate":
		b.Rang++
		b.open[key], b.known[key] = title, true
	default:
		b.Told++
	}
}

func (b *book) takeMail(m mail) {
	msg, err := netmail.ReadMessage(strings.NewReader(m.text))
	if err != nil {
		b.Strange = append(b.Strange, fmt.Sprintf("a mail that cannot be read: %v", err))
		return
	}
	if _, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil || msg.Header.Get("Subject") == "" {
		b.Strange = append(b.Strange, "a mail without a subject that can be read")
	}
	b.Told++
}

// text is a string in nested objects; empty when it is not there.
func text(fields map[string]any, path ...string) string {
	for _, name := range path[:len(path)-1] {
		fields, _ = fields[name].(map[string]any)
	}
	s, _ := fields[path[len(path)-1]].(string)
	return s
}

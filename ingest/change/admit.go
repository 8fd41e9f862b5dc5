package change

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/body"
	"github.com/headwater-sre/headwater/topology"
)

// Admit says what is wrong with a change, as a [*body.Error], or cuts what is too
// long in it, writes its kind in lower case and returns nil. Every change passes it,
// whoever reports it.
func Admit(c *correlate.Change) error {
	if err := body.CheckService(c.Service); err != nil {
		return err
	}
	kind, ok := word(c.Kind)
	switch {
	case c.Kind == "":
		return &body.Error{Field: "kind", Reason: "missing: " + wantKind}
	case !ok:
		return &body.Error{Field: "kind", Reason: fmt.Sprintf("%s, got %s", wantKind, body.Quote(c.Kind))}
	case !validLink(c.Link):
		return &body.Error{Field: "link", Reason: fmt.Sprintf("%s, got %s", wantLink, body.Quote(c.Link))}
	case !c.At.IsZero() && (c.At.Before(body.Earliest) || c.At.After(body.Latest)):
		return &body.Error{Field: "at", Reason: "want a time between the years 1678 and 2261"}
	}
	c.Kind, c.Summary = kind, body.Cut(c.Summary, MaxSummary)
	return body.CheckLength("source", c.Source, MaxSource)
}

var (
	wantKind = fmt.Sprintf("want deploy, config, scale, rollback or another word of up to %d letters, digits, - and _", MaxKind)
	wantLink = fmt.Sprintf("want an http or https address of at most %d bytes", MaxLink)
)

// word is text in lower case, and whether it can be a kind.
func word(text string) (string, bool) {
	kind := strings.ToLower(text)
	for i := range len(kind) {
		c := kind[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' || i == MaxKind {
			return "", false
		}
	}
	return kind, true
}

// validLink: people will click on it, so nothing but the web is let in.
func validLink(text string) bool {
	if text == "" {
		return true
	}
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && len(text) <= MaxLink
}

// OnlyLink is text if it can be a link, else nothing: for senders that put an address
// where it is only convenience.
func OnlyLink(text string) string {
	if !validLink(text) {
		return ""
	}
	return text
}

// Names maps what a sender calls a thing to a service. The first rule that matches the
// whole name holds.
type Names []NameRule

// NameRule is one rule of [Names].
type NameRule struct {
	Match *regexp.Regexp // of the whole name
	// Service is "name" or "namespace/name"; $1 stands for the first group of Match.
	// Empty: changes of such things are not taken.
	Service string
}

// Find is the service that the rules give a name; found is false when none matches, and
// ref is zero when the rule says that it is not to be taken.
func (n Names) Find(name string) (ref topology.Ref, found bool) {
	for _, rule := range n {
		m := rule.Match.FindStringSubmatchIndex(name)
		if len(m) < 2 || m[0] != 0 || m[1] != len(name) {
			continue
		}
		return topology.ParseRef(string(rule.Match.ExpandString(nil, rule.Service, name, m))), true
	}
	return topology.Ref{}, false
}

// workloads are the kinds of Kubernetes' objects that run a service.
var workloads = map[string]bool{"deployment": true, "statefulset": true, "daemonset": true, "rollout": true}

// IsWorkload reports whether an object of the kind runs a service.
func IsWorkload(kind string) bool { return workloads[strings.ToLower(kind)] }

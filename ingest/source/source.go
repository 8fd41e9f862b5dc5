// Package source knows the kinds of senders by name: it turns what any of them sends into
// signals, with the decoder of its kind, and it reads the `sources:` section of a
// configuration file, which names senders, their secrets and their mappings.
//
// Decoding is pure. The intake, the NATS intake and `hwctl intake test` all decode by
// this package, so what the last shows is what the first does. Checking secrets is the
// intake's.
//
// A [Source] is immutable and safe for concurrent use.
package source

import (
	"bytes"
	"fmt"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/alertmanager"
	"github.com/headwater-sre/headwater/ingest/argocd"
	"github.com/headwater-sre/headwater/ingest/change"
	"github.com/headwater-sre/headwater/ingest/flux"
	"github.com/headwater-sre/headwater/ingest/github"
	"github.com/headwater-sre/headwater/ingest/grafana"
	"github.com/headwater-sre/headwater/ingest/health"
	"github.com/headwater-sre/headwater/ingest/mapping"
	"github.com/headwater-sre/headwater/ingest/reply"
)

// The kinds of senders.
const (
	KindAlertmanager = "alertmanager" // Alertmanager's webhook
	KindPrometheus   = "prometheus"   // the bodies of Alertmanager's API, POST /api/v2/alerts
	KindHealth       = "health"
	KindChange       = "change"
	KindGrafana      = "grafana"
	KindArgoCD       = "argocd"
	KindFlux         = "flux"
	KindGitHub       = "github"
	KindCloudEvents  = "cloudevents"
	KindEvents       = "events" // JSON of any shape, by a mapping

	// What people answered to a page.
	KindPagerDuty = reply.PagerDuty
	KindOpsgenie  = reply.Opsgenie
	KindSlack     = reply.Slack
)

// Request is what a sender sent.
type Request struct {
	Body        []byte
	ContentType string
	// Header gives the value of a header, by any spelling; nil: there are none.
	Header func(name string) string
	// Received is when it came.
	Received time.Time
}

func (r *Request) header(name string) string {
	if r.Header == nil {
		return ""
	}
	return r.Header(name)
}

// Decoded is what a request says.
type Decoded struct {
	// Signals are to be published in this order.
	Signals []correlate.Signal
	// Replies are what people answered to pages. The incident that each is about is to be
	// found before it can be a signal.
	Replies []reply.Reply
	// Note says why there are neither though nothing is wrong.
	Note string
}

// Source is one sender, or all senders of a kind.
type Source struct {
	Name string
	Kind string
	// Path is where it sends to.
	Path string
	// BearerTokenFile and HMACSecretFile hold the secret by which it is known; at most one
	// is set. HMACHeader is the header with the signature: "sha256=" and hexadecimal digits,
	// but for kinds whose senders sign in ways of their own.
	BearerTokenFile, HMACSecretFile, HMACHeader string

	decode func(*Request) (Decoded, error)
}

// Replies reports whether the kind is one of what people answer to pages: its sources
// give commands in the names of people, so they need a secret.
func Replies(kind string) bool {
	return kind == KindPagerDuty || kind == KindOpsgenie || kind == KindSlack
}

// Guarded reports whether the source has a secret of its own.
func (s *Source) Guarded() bool { return s.BearerTokenFile != "" || s.HMACSecretFile != "" }

// Decode turns a request into signals. With an error there may be signals as well: those
// of the part of the body that could be used.
func (s *Source) Decode(r Request) (Decoded, error) {
	r.Body = bytes.TrimPrefix(r.Body, []byte("\xef\xbb\xbf")) // a byte order mark is no JSON, and some tools send one
	return s.decode(&r)
}

// Builtin returns the source that every server has for a kind, but for those that need a
// secret, see [Replies]; false for [KindEvents], which is of no use without a mapping, and
// for what is no kind.
func Builtin(kind string) (*Source, bool) {
	decode := decoder(kind, options{})
	if decode == nil || kind == KindEvents {
		return nil, false
	}
	s := &Source{Name: kind, Kind: kind, Path: "/webhook/" + kind, decode: decode}
	if kind == KindPrometheus {
		s.Path = "/api/v2/alerts"
	}
	return s, true
}

// Kinds are the kinds that a source may have, most used first.
func Kinds() []string {
	return []string{KindEvents, KindCloudEvents, KindGitHub, KindArgoCD, KindFlux, KindGrafana, KindAlertmanager, KindPrometheus, KindHealth, KindChange, KindPagerDuty, KindOpsgenie, KindSlack}
}

// options are what a configured source may say of its decoding.
type options struct {
	names        change.Names
	environments []string
	mapping      *mapping.Mapping
}

// decoder is that of a kind; nil: there is no such kind.
func decoder(kind string, o options) func(*Request) (Decoded, error) {
	switch kind {
	case KindAlertmanager:
		return func(r *Request) (Decoded, error) { return alerts(alertmanager.DecodeWebhook(r.Body)) }
	case KindPrometheus:
		return func(r *Request) (Decoded, error) { return alerts(alertmanager.DecodeV2Alerts(r.Body, r.Received)) }
	case KindGrafana:
		return func(r *Request) (Decoded, error) { return alerts(grafana.Decode(r.Body)) }
	case KindHealth:
		return decodeHealth
	case KindChange:
		return func(r *Request) (Decoded, error) {
			c, err := change.DecodeChanges(r.Body)
			return changes(c, "no changes", err)
		}
	case KindArgoCD:
		return func(r *Request) (Decoded, error) { return changes(argocd.Decode(r.Body, o.names)) }
	case KindFlux:
		return func(r *Request) (Decoded, error) { return changes(flux.Decode(r.Body, o.names)) }
	case KindGitHub:
		return func(r *Request) (Decoded, error) {
			return changes(github.Decode(r.header(github.EventHeader), r.Body, github.Options{Names: o.names, Environments: o.environments}))
		}
	case KindPagerDuty:
		return func(r *Request) (Decoded, error) { return replies(reply.DecodePagerDuty(r.Body)) }
	case KindOpsgenie:
		return func(r *Request) (Decoded, error) { return replies(reply.DecodeOpsgenie(r.Body)) }
	case KindSlack:
		return func(r *Request) (Decoded, error) { return replies(reply.DecodeSlack(r.Body)) }
	case KindCloudEvents, KindEvents:
		return func(r *Request) (Decoded, error) { return decodeEvents(r, kind, o) }
	}
	return nil
}

func alerts(batch *correlate.AlertBatch, err error) (Decoded, error) {
	if batch == nil {
		return Decoded{}, err
	}
	if len(batch.Alerts) == 0 {
		return Decoded{Note: "no alerts"}, err
	}
	return Decoded{Signals: []correlate.Signal{batch}}, err
}

func replies(list []reply.Reply, note string, err error) (Decoded, error) {
	return Decoded{Replies: list, Note: note}, err
}

func decodeHealth(r *Request) (Decoded, error) {
	batch, err := health.DecodeReport(r.Body)
	if err != nil {
		return Decoded{}, err
	}
	if len(batch.Results) == 0 {
		return Decoded{Note: "no results"}, nil
	}
	return Decoded{Signals: []correlate.Signal{batch}}, nil
}

func changes(list []*correlate.Change, note string, err error) (Decoded, error) {
	d := Decoded{}
	for _, c := range list {
		d.Signals = append(d.Signals, c)
	}
	if len(d.Signals) == 0 && err == nil {
		d.Note = note
	}
	return d, err
}

// Count is how many alerts, results and changes signals hold.
func Count(signals []correlate.Signal) (n int) {
	for _, s := range signals {
		switch s := s.(type) {
		case *correlate.AlertBatch:
			n += len(s.Alerts)
		case *correlate.HealthBatch:
			n += len(s.Results)
		default:
			n++
		}
	}
	return n
}

// describe is the note on events that all were skipped.
func describe(n int) string {
	if n == 1 {
		return "the event maps to nothing"
	}
	return fmt.Sprintf("none of %d events maps to anything", n)
}

package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/alertmanager"
	"github.com/headwater-sre/headwater/ingest/bus"
	"github.com/headwater-sre/headwater/ingest/mapping"
	"github.com/headwater-sre/headwater/ingest/source"
)

// senders are the configured sources by name. They are replaced as a whole.
type senders map[string]endpoint

// SetSources replaces the configured sources, which are served below /webhook/source/.
// Requests under way end with the source that they began with.
func (in *Intake) SetSources(sources []*source.Source) {
	all := senders{}
	for _, s := range sources {
		e := in.sourceEndpoint(s)
		in.metrics.expect(&e)
		all[s.Name] = e
	}
	in.senders.Store(&all)
}

// Guards reports whether the path is that of a configured source with a secret of its own.
func (in *Intake) Guards(path string) bool {
	name, ok := strings.CutPrefix(path, "/webhook/source/")
	e, known := (*in.senders.Load())[name]
	return ok && known && e.source.Guarded()
}

// sourceEndpoint is where a source sends to. Bodies that are of no use are kept: the
// sender is a machine, and few machines read answers. Those that speak as Alertmanager
// does, and give up on a 4xx, get none.
func (in *Intake) sourceEndpoint(s *source.Source) endpoint {
	e := endpoint{path: s.Path, limit: in.options.MaxBodyBytes, keeps: true, source: s}
	if s.Kind == source.KindAlertmanager || s.Kind == source.KindGrafana {
		e.limit, e.neverRefuses = in.options.MaxWebhookBytes, true
	}
	e.take = func(ctx context.Context, req *request) answer { return in.takeSource(ctx, req, s) }
	return e
}

// serveSource serves the configured source that the path names.
func (in *Intake) serveSource(w http.ResponseWriter, r *http.Request) {
	e, ok := (*in.senders.Load())[r.PathValue("name")]
	if !ok {
		a := failed(http.StatusNotFound, fmt.Errorf("no source of this name is configured; see the section %s of the configuration file", source.Section))
		a.write(w)
		return
	}
	in.serve(w, r, e)
}

// takeSource publishes what a source's body says, in its order, and keeps the body when
// not all of it could be used.
func (in *Intake) takeSource(ctx context.Context, req *request, s *source.Source) answer {
	decoded, unusable := contain(req.body, func(text []byte) (source.Decoded, error) {
		return s.Decode(source.Request{Body: text, ContentType: req.contentType, Header: req.header.Get, Received: in.options.Now()})
	})
	a := answer{Note: decoded.Note, Rejected: rejected(unusable)}
	if a.Rejected > 0 {
		in.metrics.rejected.WithLabelValues(s.Name).Add(float64(a.Rejected))
	}
	if len(decoded.Replies) > 0 {
		return in.takeReplies(ctx, decoded.Replies)
	}
	for _, sig := range decoded.Signals {
		pos, err := in.publish(ctx, sig)
		switch {
		case errors.Is(err, bus.ErrTooLarge):
			unusable = errors.Join(err, unusable)
		case err != nil:
			failure := unavailable(err)
			failure.Accepted = a.Accepted
			return failure
		}
		if pos > 0 {
			a.Position = pos
			a.Accepted += source.Count([]correlate.Signal{sig})
			in.stored(sig)
		}
	}
	if unusable != nil {
		return in.unusable(ctx, req, a, unusable)
	}
	return a
}

// rejected is how many alerts or events an error of a decoder says are not among the signals.
func rejected(err error) int {
	var alerts *alertmanager.PartialError
	var events *mapping.RejectedError
	switch {
	case errors.As(err, &events):
		return events.Rejected
	case errors.As(err, &alerts):
		return alerts.Rejected
	}
	return 0
}

// stored counts what became durable, and tells who is to know of it.
func (in *Intake) stored(sig correlate.Signal) {
	switch sig := sig.(type) {
	case *correlate.AlertBatch:
		in.metrics.countAlerts(sig)
		if sig.Truncated > 0 && in.options.OnTruncated != nil {
			in.options.OnTruncated(sig)
		}
	case *correlate.HealthBatch:
		in.metrics.countHealth(sig)
	case *correlate.Change:
		in.metrics.changes.Inc()
	}
}

// Message is a body that came otherwise than over HTTP.
type Message struct {
	// To is whose body it is: a kind of package source, or "source." and a configured source's name.
	To          string
	ContentType string
	Header      http.Header
	Body        []byte
	// RemoteAddr says for people where it came from.
	RemoteAddr string
}

// Deliver takes a message as if it had been posted to its endpoint, but for secrets, which
// are the transport's. It returns nil once what the message says is durable, as signals or as a
// dead letter; after any error it is to be delivered again.
func (in *Intake) Deliver(ctx context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, in.options.Timeout)
	defer cancel()
	req := &request{endpoint: endpoint{path: m.To}, body: m.Body, contentType: m.ContentType, remoteAddr: m.RemoteAddr, header: m.Header}
	e, ok := in.endpointOf(m.To)
	if !ok {
		return in.deadLetter(ctx, req, m.Body, fmt.Sprintf("%q is neither a kind of sender nor a configured source", m.To))
	}
	req.endpoint = e
	switch a := in.takeCaught(ctx, req); {
	case a.code == 0 || a.code == http.StatusOK || a.DeadLetter:
		return nil
	case a.code == http.StatusServiceUnavailable:
		return errors.New(a.Error)
	default:
		return in.deadLetter(ctx, req, m.Body, a.Error)
	}
}

func (in *Intake) takeCaught(ctx context.Context, req *request) (a answer) {
	defer in.caught(req.path, &a)
	return req.take(ctx, req)
}

// endpointOf is the endpoint of a kind or of a configured source.
func (in *Intake) endpointOf(to string) (endpoint, bool) {
	if name, ok := strings.CutPrefix(to, "source."); ok {
		e, ok := (*in.senders.Load())[name]
		return e, ok
	}
	e, ok := in.kinds[to]
	return e, ok
}

package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"github.com/headwater-sre/headwater/topology"
)

// maxBody bounds one answer, in bytes. A sample of a mesh's metric takes some 500, so
// that is room for more than the edges that a source reports.
const maxBody = 256 << 20

// maxSamples bounds one answer, and so the edges of one source.
const maxSamples = 200_000

// errTooLarge is the end of an answer that is longer than maxBody.
var errTooLarge = fmt.Errorf("the answer is larger than %d MiB; narrow the query with matchers", maxBody>>20)

// Client asks one Prometheus server. It is safe for concurrent use.
type Client struct {
	api v1.API
	url string
}

// NewClient makes a client for the server at url. How is what Prometheus's own
// configuration has for HTTP clients: passwords, tokens, TLS, a proxy, headers.
func NewClient(url string, how config.HTTPClientConfig) (*Client, error) {
	transport, err := config.NewRoundTripperFromConfig(how, "topology_prometheus", config.WithKeepAlivesDisabled())
	if err != nil {
		return nil, fmt.Errorf("HTTP client for %s: %w", url, err)
	}
	c, err := api.NewClient(api.Config{Address: url, RoundTripper: bounded{transport}})
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", url, err)
	}
	return &Client{v1.NewAPI(c), url}, nil
}

// inquiry is a few instant queries in a row, and what the server had to say beside the
// answers. The first error ends it: later queries are not asked.
type inquiry struct {
	ctx      context.Context
	client   *Client
	warnings []topology.Warning
	err      error
}

// vector asks at the server's own time. It returns nil after an error.
func (q *inquiry) vector(query string) model.Vector {
	if q.err != nil {
		return nil
	}
	value, warnings, _, err := q.client.api.Query(q.ctx, query, time.Time{})
	for _, w := range warnings {
		q.warnings = append(q.warnings, topology.Warning{Text: "the server warns: " + w})
	}
	v, ok := value.(model.Vector)
	switch {
	case err != nil:
		q.err = explained(query, err)
	case !ok:
		q.err = fmt.Errorf("query %s: the answer is a %s, no vector", query, value.Type())
	case len(v) > maxSamples:
		q.err = fmt.Errorf("query %s: %d samples, more than %d; narrow it with matchers", query, len(v), maxSamples)
	default:
		return v
	}
	return nil
}

// explained says which query it was where that matters, and adds the way out where the
// answer is not one of Prometheus's.
func explained(query string, err error) error {
	var e *v1.Error
	switch {
	case !errors.As(err, &e):
		return fmt.Errorf("ask Prometheus: %w", err) // names the address
	case e.Type == v1.ErrBadResponse || e.Type == v1.ErrClient:
		return fmt.Errorf("ask Prometheus: %s; is this the address of a Prometheus server?", e.Msg)
	}
	return fmt.Errorf("query %s: %w", query, err)
}

// bounded limits the bodies of answers.
type bounded struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxBody}
	}
	return resp, err
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}

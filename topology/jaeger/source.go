package jaeger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/common/config"

	"github.com/headwater-sre/headwater/topology/discovery"
)

// DefaultLookback is how far back calls are counted, as in Jaeger's own pages.
const DefaultLookback = 24 * time.Hour

// maxBody bounds one answer, in bytes.
const maxBody = 64 << 20

// Options say whom a source asks.
type Options struct {
	Name string // of the source
	// URL of the query service, with the base path when it has one.
	URL string
	// HTTPClient is as in Prometheus's configuration files.
	HTTPClient config.HTTPClientConfig
	// Lookback is how far back calls are counted. Default [DefaultLookback].
	Lookback time.Duration
}

// Source learns edges from Jaeger.
type Source struct {
	name     string
	client   *http.Client
	endpoint *url.URL
	lookback time.Duration
}

// NewSource makes a source.
func NewSource(o Options) (*Source, error) {
	base, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("address of Jaeger: %w", err)
	}
	client, err := config.NewClientFromConfig(o.HTTPClient, "topology_jaeger", config.WithKeepAlivesDisabled())
	if err != nil {
		return nil, fmt.Errorf("HTTP client for %s: %w", o.URL, err)
	}
	s := &Source{name: o.Name, client: client, endpoint: base.JoinPath("api", "dependencies"), lookback: o.Lookback}
	if s.lookback <= 0 {
		s.lookback = DefaultLookback
	}
	return s, nil
}

// Name implements [discovery.Source].
func (s *Source) Name() string { return s.name }

// Fetch implements [discovery.Source].
func (s *Source) Fetch(ctx context.Context) (discovery.Report, error) {
	u := *s.endpoint
	u.RawQuery = url.Values{
		"endTs":    {strconv.FormatInt(time.Now().UnixMilli(), 10)},
		"lookback": {strconv.FormatInt(s.lookback.Milliseconds(), 10)},
	}.Encode()
	body, err := s.get(ctx, u.String())
	if err != nil {
		return discovery.Report{}, err
	}
	r, err := Decode(body)
	if err != nil {
		return discovery.Report{}, fmt.Errorf("get %s: %w", s.endpoint, err)
	}
	return r, nil
}

func (s *Source) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", s.endpoint, err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		var e *url.Error
		if errors.As(err, &e) {
			err = e.Err // without the address, in which the time makes each failure another
		}
		return nil, fmt.Errorf("get %s: %w", s.endpoint, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("get %s: %w", s.endpoint, err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("get %s: %s; is this the address of Jaeger's query service, with its base path?", s.endpoint, resp.Status)
	case len(body) > maxBody:
		return nil, fmt.Errorf("get %s: the answer is larger than %d MiB; use a shorter lookback", s.endpoint, maxBody>>20)
	}
	return body, nil
}

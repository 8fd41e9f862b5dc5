package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/common/config"

	"github.com/headwater-sre/headwater/ingest/alertmanager"
)

// maxBody bounds one answer, in bytes: room for some 200,000 alerts.
const maxBody = 256 << 20

// Alertmanager says which Alertmanager to ask, and how.
type Alertmanager struct {
	// URL is where its web port is, with its route prefix if it has one.
	URL string
	// ExternalURL is what it calls itself in notifications (its --web.external-url). Empty: it is the only one.
	ExternalURL string
	// Interval is the time between two questions; Timeout bounds one.
	Interval, Timeout time.Duration
	// Receiver is a regular expression for the receivers whose alerts are asked for. Empty: all.
	Receiver string
	// Matchers restrict what is asked for further, in Alertmanager's own syntax.
	Matchers []string
	// HTTP is what Prometheus's own configuration has for HTTP clients.
	HTTP config.HTTPClientConfig
}

// Validate tries whether an HTTP client can be made: the files that it names may not be there.
func (a *Alertmanager) Validate() error {
	_, err := newClient(*a)
	return err
}

// client asks one Alertmanager.
type client struct {
	Alertmanager
	http *http.Client
}

func newClient(a Alertmanager) (*client, error) {
	c, err := config.NewClientFromConfig(a.HTTP, "reconcile")
	if err != nil {
		return nil, fmt.Errorf("HTTP client for %s: %w", a.URL, err)
	}
	return &client{a, c}, nil
}

// ask asks for all that a comparison needs. Silences come last: an alert that is silenced
// by one that we do not find is silenced all the same.
func (c *client) ask(ctx context.Context) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	text, err := c.get(ctx, "/api/v2/status", nil)
	if err != nil {
		return a, err
	}
	if a.started, err = alertmanager.DecodeStatus(text); err != nil {
		return a, fmt.Errorf("%s/api/v2/status: %w", c.URL, err)
	}
	if text, err = c.get(ctx, "/api/v2/alerts", c.query()); err != nil {
		return a, err
	}
	var partial *alertmanager.PartialError
	if a.held, err = alertmanager.DecodeHeld(text); err != nil && !errors.As(err, &partial) {
		return a, fmt.Errorf("%s/api/v2/alerts: %w", c.URL, err)
	}
	if text, err = c.get(ctx, "/api/v2/silences", nil); err != nil {
		return a, err
	}
	if a.silences, err = alertmanager.DecodeSilences(text); err != nil {
		return a, fmt.Errorf("%s/api/v2/silences: %w", c.URL, err)
	}
	return a, nil
}

func (c *client) query() url.Values {
	q := url.Values{}
	if c.Receiver != "" {
		q.Set("receiver", c.Receiver)
	}
	for _, m := range c.Matchers {
		q.Add("filter", m)
	}
	return q
}

func (c *client) get(ctx context.Context, path string, q url.Values) ([]byte, error) {
	address := strings.TrimRight(c.URL, "/") + path
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", address, err)
	}
	r.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask %s: %w", address, err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("ask %s: %s", address, resp.Status)
	case len(text) > maxBody:
		return nil, fmt.Errorf("ask %s: the answer is larger than %d MiB; set receiver or matchers", address, maxBody>>20)
	}
	return text, nil
}

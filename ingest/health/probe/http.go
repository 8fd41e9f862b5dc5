package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"

	"github.com/prometheus/common/config"
)

// DefaultBodyLimit is how much of a body is read when the module sets no limit. What
// lies beyond is not looked at, and held against nobody.
const DefaultBodyLimit = 1 << 20

// maxRedirects is net/http's own limit.
const maxRedirects = 10

// userAgent tells the owner of a log who it was.
const userAgent = "Headwater-Probe"

// HTTP says how to ask over HTTP and HTTPS.
type HTTP struct {
	Family Family
	// Method defaults to GET.
	Method string
	// Headers of the request. Host is what the request is for.
	Headers map[string]string
	Body    string
	// Compression is the Accept-Encoding to send, and to undo: gzip, deflate or identity.
	// Empty: none is sent, and the body is looked at as it came.
	Compression string
	// BodyLimit is the most bytes that a body may have. 0: any number, and
	// [DefaultBodyLimit] of them are read.
	BodyLimit int64
	// Client has authentication, TLS, proxy and whether redirects are followed. Its zero
	// value follows none; start from [config.DefaultHTTPClientConfig].
	Client config.HTTPClientConfig
	// Allow says which hosts a redirect may lead to. Nil: all.
	Allow func(host string) bool

	Answer HTTPAnswer
}

type httpProber struct {
	HTTP
	client *http.Client
}

func newHTTP(m *HTTP) (Prober, error) {
	p := &httpProber{HTTP: *m}
	if p.Method == "" {
		p.Method = http.MethodGet
	}
	if p.BodyLimit < 0 {
		return nil, errors.New("body_size_limit: must not be negative")
	}
	d := &dialer{family: m.Family}
	var err error
	p.client, err = config.NewClientFromConfig(p.Client, "headwater_probe",
		config.WithDialContextFunc(d.DialContext), config.WithKeepAlivesDisabled())
	if err != nil {
		return nil, err
	}
	if p.Client.FollowRedirects {
		p.client.CheckRedirect = p.redirect
	}
	return p, nil
}

var errRedirects = fmt.Errorf("redirects without end: gave up after %d", maxRedirects)

func (p *httpProber) redirect(to *http.Request, via []*http.Request) error {
	switch {
	case len(via) >= maxRedirects:
		return errRedirects
	case p.Allow != nil && !p.Allow(to.URL.Hostname()):
		return fmt.Errorf("redirects to %s, which health.labels.allow does not have", to.URL.Hostname())
	}
	return nil
}

// Check implements [Prober].
func (p *httpProber) Check(target string) error {
	_, err := targetURL(target)
	return err
}

// targetURL reads a target, which is plain HTTP when it does not say.
func targetURL(target string) (*url.URL, error) {
	if !strings.Contains(target, "://") {
		target = "http://" + target
	}
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return nil, errors.New("cannot be parsed; want a URL such as https://shop.example.com/health")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("scheme %q: want http or https", u.Scheme)
	case !isHost(u.Hostname()):
		return nil, fmt.Errorf("%q is neither a name nor an address", u.Hostname())
	}
	return u, nil
}

// Probe implements [Prober].
func (p *httpProber) Probe(ctx context.Context, target string) Result {
	w := newWatch()
	req, err := p.request(httptrace.WithClientTrace(ctx, w.trace()), target)
	if err != nil {
		return w.failed(ctx, ownFault{err})
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return w.failed(ctx, err)
	}
	defer resp.Body.Close()
	body, err := p.read(resp)
	if err != nil {
		return w.failed(ctx, err)
	}
	if complaint := p.complaint(resp, body); complaint != "" {
		return w.degraded(complaint)
	}
	return w.passing()
}

func (p *httpProber) request(ctx context.Context, target string) (*http.Request, error) {
	u, err := targetURL(target)
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if p.Body != "" {
		body = strings.NewReader(p.Body)
	}
	req, err := http.NewRequestWithContext(ctx, p.Method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("User-Agent", userAgent)
	if p.Compression != "" {
		req.Header.Set("Accept-Encoding", p.Compression)
	}
	for name, value := range p.Headers {
		if strings.EqualFold(name, "Host") {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	return req, nil
}

func (p *httpProber) read(resp *http.Response) (body, error) {
	limit := p.BodyLimit
	if limit == 0 {
		limit = DefaultBodyLimit
	}
	in, err := p.decompress(resp)
	if err != nil {
		return body{}, err
	}
	if !p.Answer.looksAtBody() {
		n, err := io.CopyN(io.Discard, in, limit+1)
		return body{long: n > limit}, ignoreEnd(err)
	}
	text, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return body{}, err
	}
	long := int64(len(text)) > limit
	return body{text: text[:min(int64(len(text)), limit)], long: long}, nil
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// body is what was read of one.
type body struct {
	text []byte
	long bool // there is more
}

// complaint is what is wrong with an answer, empty when nothing is.
func (p *httpProber) complaint(resp *http.Response, b body) string {
	if b.long && p.BodyLimit > 0 {
		return fmt.Sprintf("its body is longer than body_size_limit, %d bytes", p.BodyLimit)
	}
	return p.Answer.complaint(resp, b.text)
}

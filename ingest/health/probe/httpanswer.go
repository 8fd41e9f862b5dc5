package probe

import (
	"bufio"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// HTTPAnswer says which answers are good.
type HTTPAnswer struct {
	// Statuses are the good ones. None: 200 to 299.
	Statuses []int
	// Versions are the good ones, such as HTTP/1.1 and HTTP/2.0. None: all.
	Versions []string
	// NoTLS and NeedTLS: it is not good to have come over TLS, or not to.
	NoTLS, NeedTLS bool
	// BodyBad must not match, BodyGood must.
	BodyBad, BodyGood []*regexp.Regexp
	// HeaderBad must not match any value of the header, HeaderGood must match one.
	HeaderBad, HeaderGood []HeaderMatch
}

// HeaderMatch is about one header of an answer.
type HeaderMatch struct {
	Header string
	Regexp *regexp.Regexp
	// AllowMissing: an answer without the header passes.
	AllowMissing bool
}

func (a *HTTPAnswer) looksAtBody() bool { return len(a.BodyBad)+len(a.BodyGood) > 0 }

// complaint is what is wrong with the answer, empty when nothing is. It quotes the
// configuration and never the answer's text.
func (a *HTTPAnswer) complaint(resp *http.Response, body []byte) string {
	switch {
	case !a.goodStatus(resp.StatusCode):
		return fmt.Sprintf("answered %s, %s", statusText(resp.StatusCode), a.wantStatus())
	case len(a.Versions) > 0 && !slices.Contains(a.Versions, resp.Proto):
		return fmt.Sprintf("answered over %s, want %s", resp.Proto, strings.Join(a.Versions, " or "))
	case a.NoTLS && resp.TLS != nil:
		return "answered over TLS, which fail_if_ssl forbids"
	case a.NeedTLS && resp.TLS == nil:
		return "answered without TLS, which fail_if_not_ssl forbids"
	}
	for _, re := range a.BodyBad {
		if re.Match(body) {
			return fmt.Sprintf("answered %s, with a body that matches %q", statusText(resp.StatusCode), re)
		}
	}
	for _, re := range a.BodyGood {
		if !re.Match(body) {
			return fmt.Sprintf("answered %s, with a body that does not match %q", statusText(resp.StatusCode), re)
		}
	}
	return a.headers(resp.Header)
}

func (a *HTTPAnswer) headers(h http.Header) string {
	for _, m := range a.HeaderBad {
		values := h.Values(m.Header)
		switch {
		case len(values) == 0 && !m.AllowMissing:
			return "answered without header " + m.Header
		case slices.ContainsFunc(values, m.Regexp.MatchString):
			return fmt.Sprintf("answered with a header %s that matches %q", m.Header, m.Regexp)
		}
	}
	for _, m := range a.HeaderGood {
		values := h.Values(m.Header)
		switch {
		case len(values) == 0 && m.AllowMissing:
		case len(values) == 0:
			return "answered without header " + m.Header
		case !slices.ContainsFunc(values, m.Regexp.MatchString):
			return fmt.Sprintf("answered with a header %s that does not match %q", m.Header, m.Regexp)
		}
	}
	return ""
}

func (a *HTTPAnswer) goodStatus(code int) bool {
	if len(a.Statuses) == 0 {
		return code >= 200 && code < 300
	}
	return slices.Contains(a.Statuses, code)
}

func (a *HTTPAnswer) wantStatus() string {
	if len(a.Statuses) == 0 {
		return "want 2xx"
	}
	words := make([]string, len(a.Statuses))
	for i, s := range a.Statuses {
		words[i] = fmt.Sprint(s)
	}
	return "want " + strings.Join(words, " or ")
}

func statusText(code int) string {
	return strings.TrimSpace(fmt.Sprintf("HTTP %d %s", code, http.StatusText(code)))
}

// decompress undoes what the module asked for. An answer that is not compressed is
// good too: the server may choose.
func (p *httpProber) decompress(resp *http.Response) (io.Reader, error) {
	encoding := resp.Header.Get("Content-Encoding")
	if p.Compression == "" || !strings.EqualFold(encoding, p.Compression) {
		return resp.Body, nil
	}
	switch p.Compression {
	case "gzip":
		in := bufio.NewReader(resp.Body)
		if _, err := in.Peek(1); err != nil {
			return in, nil //nolint:nilerr // an empty body is no gzip stream, and what broke it off is met again by who reads
		}
		return gzip.NewReader(in)
	case "deflate":
		return zlib.NewReader(resp.Body)
	}
	return resp.Body, nil
}

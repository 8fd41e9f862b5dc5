package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/headwater-sre/headwater/correlate"
)

const (
	defaultPageSize = 50
	maxPageSize     = 1000
	// maxPageBytes ends a page early, well below the 4 MiB that gRPC clients accept
	// unless told otherwise.
	maxPageBytes = 2 << 20
)

// pageToken is where a list goes on. It is opaque to clients, who get it as base64, and
// bound to the request that it continues.
type pageToken struct {
	// Of is a digest of the method and what it selects and orders by.
	Of       string            `json:"of"`
	Incident place             `json:"i,omitzero"`
	Alert    correlate.AlertID `json:"a,omitzero"`
	Check    checkKey          `json:"c,omitzero"`
	Figure   figureKey         `json:"f,omitzero"`
	Item     place             `json:"t,omitzero"`
}

// checkKey is a health check's place in the order of the list.
type checkKey struct {
	Namespace string `json:"ns,omitempty"`
	Name      string `json:"s,omitempty"`
	Check     string `json:"c,omitempty"`
}

// listing is the common part of a list request.
type listing struct {
	size  int
	of    string
	after *pageToken // nil: the first page
}

// newListing checks page_size and page_token. selects are the request's fields that a
// token is bound to.
func newListing(method string, pageSize int32, token string, selects ...string) (listing, error) {
	l := listing{size: int(pageSize), of: digest(append([]string{method}, selects...))}
	switch {
	case pageSize < 0:
		return listing{}, invalid("page_size", "must not be negative")
	case pageSize == 0:
		l.size = defaultPageSize
	case pageSize > maxPageSize:
		l.size = maxPageSize
	}
	if token == "" {
		return l, nil
	}
	after, err := decodeToken(token)
	if err == nil && after.Of != l.of {
		err = errors.New("belongs to a request with another filter or order; start again without a token")
	}
	if err != nil {
		return listing{}, invalid("page_token", err.Error())
	}
	l.after = after
	return l, nil
}

// next is the token of the page after one that ends at t's place.
func (l listing) next(t pageToken) string {
	t.Of = l.of
	data, err := json.Marshal(t)
	if err != nil {
		panic(fmt.Sprintf("page token: %v", err)) // strings and integers only
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

func decodeToken(token string) (*pageToken, error) {
	malformed := errors.New("is not one that this method returned")
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, malformed
	}
	var t pageToken
	if err := json.Unmarshal(data, &t); err != nil {
		return nil, malformed
	}
	return &t, nil
}

// digest is short: it guards against mistakes, not against attacks. Whoever forges a
// token sees nothing that an honest one would not show.
func digest(parts []string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9])
}

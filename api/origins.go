package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/cors"
)

// Origins are the other sites whose pages may use the API from a browser, such as
// "https://dashboards.example". The zero value allows none.
//
// What a browser sends from any other site and could change something is refused, and
// what it may ask the browser does not show to the page: a password that the browser
// remembers must not let any page acknowledge an incident.
type Origins struct{ list []string }

// ParseOrigins reads a list of origins: scheme, host and, unless it is the usual one,
// port, without a path. There is no wildcard, since requests may carry a password.
func ParseOrigins(list []string) (Origins, error) {
	for _, origin := range list {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Contains(u.Host, "*") || origin != u.Scheme+"://"+u.Host {
			return Origins{}, fmt.Errorf("%q is not an origin: want scheme://host or scheme://host:port, such as https://dashboards.example", origin)
		}
	}
	return Origins{list: list}, nil
}

// preflightAge is how long a browser may remember that it asked.
const preflightAge = 10 * time.Minute

// guard refuses what browsers send from other sites, unless they are allowed, and tells
// browsers so.
func (o Origins) guard(next http.Handler) (http.Handler, error) {
	protection := http.NewCrossOriginProtection()
	for _, origin := range o.list {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			return nil, err
		}
	}
	guarded := protection.Handler(next)
	if len(o.list) == 0 {
		return guarded, nil
	}
	return cors.New(cors.Options{
		AllowedOrigins: o.list,
		AllowedMethods: []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		// Those of Connect and gRPC-Web.
		AllowedHeaders:   []string{"Authorization", "Content-Type", "Connect-Protocol-Version", "Connect-Timeout-Ms", "Grpc-Timeout", "X-Grpc-Web", "X-User-Agent"},
		ExposedHeaders:   []string{"Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin"},
		AllowCredentials: true,
		MaxAge:           int(preflightAge.Seconds()),
	}).Handler(guarded), nil
}

// Preflight reports whether r is a browser's question whether one of the allowed sites
// may send a request. It carries no password, whatever the request itself will.
func (o Origins) Preflight(r *http.Request) bool {
	return len(o.list) > 0 && r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

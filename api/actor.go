package api

import (
	"context"
	"net/http"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// userKey carries, on the in-process connection alone, the user that the web server
// authenticated.
const userKey = "headwater-user"

// anonymous is who acts when nobody says.
const anonymous = "anonymous"

// userMetadata is what REST and gRPC-Web requests carry into the gRPC server. The web
// server in front has checked the password if it was told to; where it was not, the
// name is the client's word, as the actor field of a request is.
func userMetadata(r *http.Request) metadata.MD {
	if user, _, ok := r.BasicAuth(); ok && user != "" {
		return metadata.Pairs(userKey, user)
	}
	return nil
}

// userContextKey is the context's key of [WithUser].
type userContextKey struct{}

// WithUser returns a context for a call whose user has been authenticated, by an
// interceptor in front of the services: commands are recorded under that name,
// whatever their actor field says.
func WithUser(ctx context.Context, user string) context.Context {
	return context.WithValue(ctx, userContextKey{}, user)
}

// actor is who gives a command: the user that was authenticated, here or by the web
// server, else the request's field.
func actor(ctx context.Context, field string) string {
	if user, ok := ctx.Value(userContextKey{}).(string); ok && user != "" {
		return user
	}
	if user := webUser(ctx); user != "" {
		return user
	}
	if field != "" {
		return field
	}
	return anonymous
}

// source is what a command was given with.
func source(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil && p.Addr.Network() == loopbackNetwork {
		return "rest"
	}
	for _, agent := range metadata.ValueFromIncomingContext(ctx, "user-agent") {
		if agent == "hwctl" || strings.HasPrefix(agent, "hwctl ") {
			return "hwctl"
		}
	}
	return "grpc"
}

// webUser trusts the metadata only from our own web server: on the network anybody can
// send it.
func webUser(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil || p.Addr.Network() != loopbackNetwork {
		return ""
	}
	if users := metadata.ValueFromIncomingContext(ctx, userKey); len(users) == 1 {
		return users[0]
	}
	return ""
}

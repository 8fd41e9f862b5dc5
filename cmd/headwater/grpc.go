package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/prometheus/exporter-toolkit/web"
	yamlv2 "go.yaml.in/yaml/v2"
	"golang.org/x/crypto/bcrypt"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/headwater-sre/headwater/api"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// grpcOptions are the gRPC port's: what the web configuration file says about the
// web port holds for it too. A password that one port asks for would be worth
// little if the other did not.
func grpcOptions(webConfigFile string, log *slog.Logger) ([]grpc.ServerOption, error) {
	if webConfigFile == "" {
		return nil, nil
	}
	c, err := readWebConfig(webConfigFile)
	if err != nil {
		return nil, err
	}
	var options []grpc.ServerOption
	if c.TLSConfig.IsEnabled() {
		// It reads the certificate anew for each connection, so renewing it needs no restart.
		t, err := web.ConfigToTLSConfig(&c.TLSConfig)
		if err != nil {
			return nil, fmt.Errorf("--web.config.file: %s: %w", webConfigFile, err)
		}
		options = append(options, grpc.Creds(credentials.NewTLS(t)))
	}
	gate := &passwordGate{file: webConfigFile, log: log}
	return append(options, grpc.ChainUnaryInterceptor(gate.unary), grpc.ChainStreamInterceptor(gate.stream)), nil
}

// readWebConfig reads a file that [web.Validate] has checked, with its defaults.
func readWebConfig(path string) (*web.Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--web.config.file: %w", err)
	}
	c := &web.Config{TLSConfig: web.TLSConfig{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13}}
	if err := yamlv2.UnmarshalStrict(text, c); err != nil {
		return nil, fmt.Errorf("--web.config.file: %s: %s", path, strictyaml.LibraryText(err))
	}
	c.TLSConfig.SetDirectory(filepath.Dir(path))
	return c, nil
}

// passwordGate lets calls in that carry the name and password of one of the web
// configuration's users. The file is read for each call, as the web port does, so a
// user can be removed without a restart. grpc.health.v1 needs no password: probes
// have none.
type passwordGate struct {
	file string
	log  *slog.Logger

	mu sync.Mutex
	// unreadable: the file could not be read the last time, which has been logged.
	unreadable bool
	// passed are digests of hash, name and password that matched: comparing takes
	// bcrypt tens of milliseconds on purpose. At most maxPassed; then it begins anew.
	passed map[[sha256.Size]byte]bool
}

const maxPassed = 100

func (g *passwordGate) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	user, err := g.check(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return next(api.WithUser(ctx, user), req)
}

func (g *passwordGate) stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if _, err := g.check(s.Context(), info.FullMethod); err != nil {
		return err
	}
	return next(srv, s) // no stream gives commands: nobody asks for its user
}

// check returns the caller's name, which is empty where no password is asked for.
func (g *passwordGate) check(ctx context.Context, method string) (user string, err error) {
	if strings.HasPrefix(method, "/"+healthpb.Health_ServiceDesc.ServiceName+"/") {
		return "", nil
	}
	c, err := readWebConfig(g.file)
	g.noteReading(err)
	if err != nil {
		return "", status.Error(codes.Unavailable, "users cannot be read; the server's log says more")
	}
	if len(c.Users) == 0 {
		return "", nil
	}
	name, password, err := credentialsOf(ctx)
	if err != nil {
		return "", status.Error(codes.Unauthenticated, err.Error())
	}
	if !g.matches(string(c.Users[name]), name, password) {
		return "", status.Error(codes.Unauthenticated, "wrong user or password")
	}
	return name, nil
}

// noteReading logs that the file cannot be read, once until it can be read again.
func (g *passwordGate) noteReading(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil && !g.unreadable {
		g.log.Error("Users cannot be read, gRPC lets nobody in", "err", err)
	}
	g.unreadable = err != nil
}

// unknownUser is compared with when there is no such user, so that the time taken
// does not tell who exists.
var unknownUser = sync.OnceValue(func() string {
	hash, err := bcrypt.GenerateFromPassword([]byte(rand.Text()), bcrypt.DefaultCost)
	if err != nil {
		panic(err) // only passwords over 72 bytes and impossible costs fail
	}
	return string(hash)
})

func (g *passwordGate) matches(hash, name, password string) bool {
	known := hash != ""
	if !known {
		hash = unknownUser()
	}
	key := sha256.Sum256(bytes.Join([][]byte{[]byte(hash), []byte(name), []byte(password)}, []byte{0}))
	g.mu.Lock()
	passed := g.passed[key]
	g.mu.Unlock()
	if passed {
		return true
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) != nil || !known {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.passed == nil || len(g.passed) >= maxPassed {
		g.passed = make(map[[sha256.Size]byte]bool)
	}
	g.passed[key] = true
	return true
}

func credentialsOf(ctx context.Context) (name, password string, err error) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) != 1 {
		return "", "", errors.New("user and password are required, as HTTP basic authentication in the metadata \"authorization\"")
	}
	encoded, ok := strings.CutPrefix(values[0], "Basic ")
	if !ok {
		return "", "", errors.New("only basic authentication is understood")
	}
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", "", errors.New("the metadata \"authorization\" is not base64")
	}
	name, password, ok = strings.Cut(string(text), ":")
	if !ok {
		return "", "", errors.New("the metadata \"authorization\" holds no name:password")
	}
	return name, password, nil
}

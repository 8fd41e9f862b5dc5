package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
)

// serverFlags say where the server is and how to be let in.
type serverFlags struct {
	address string

	tls                                bool
	caFile, certFile, keyFile, tlsName string
	skipVerify                         bool

	username, passwordFile, password string
}

func (s *serverFlags) register(cli *kingpin.Application) {
	cli.Flag("address", "Where the server listens for gRPC.").Default("127.0.0.1:9098").Envar("HWCTL_ADDRESS").StringVar(&s.address)
	cli.Flag("tls", "Speak TLS. Any other --tls flag implies it.").Envar("HWCTL_TLS").BoolVar(&s.tls)
	cli.Flag("tls.ca-file", "Certificate authorities to trust instead of the system's, PEM.").Envar("HWCTL_TLS_CA_FILE").StringVar(&s.caFile)
	cli.Flag("tls.cert-file", "Client certificate, PEM.").Envar("HWCTL_TLS_CERT_FILE").StringVar(&s.certFile)
	cli.Flag("tls.key-file", "Key of the client certificate, PEM.").Envar("HWCTL_TLS_KEY_FILE").StringVar(&s.keyFile)
	cli.Flag("tls.server-name", "Name that the server's certificate must have, when it is not the host of --address.").Envar("HWCTL_TLS_SERVER_NAME").StringVar(&s.tlsName)
	cli.Flag("tls.insecure-skip-verify", "Accept any certificate. Whoever sits between can read and change everything.").BoolVar(&s.skipVerify)
	cli.Flag("basic-auth.username", "User name.").Envar("HWCTL_USERNAME").StringVar(&s.username)
	cli.Flag("basic-auth.password-file", "File that holds the password. Without it the environment's HWCTL_PASSWORD is used.").Envar("HWCTL_PASSWORD_FILE").StringVar(&s.passwordFile)
}

// dial prepares a connection; nothing is sent before the first call. The caller closes it.
func (s *serverFlags) dial() (*grpc.ClientConn, error) {
	opts := []grpc.DialOption{grpc.WithUserAgent("hwctl"), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer))}
	transport, err := s.transport()
	if err != nil {
		return nil, err
	}
	opts = append(opts, grpc.WithTransportCredentials(transport))
	if s.username != "" {
		if err := s.readPassword(); err != nil {
			return nil, err
		}
		opts = append(opts, grpc.WithPerRPCCredentials(basicAuth{s.username, s.password}))
	}
	conn, err := grpc.NewClient(s.address, opts...)
	if err != nil {
		return nil, usagef("--address: %w", err)
	}
	return conn, nil
}

// maxAnswer is enough for the topology of a hundred thousand services.
const maxAnswer = 256 << 20

func (s *serverFlags) useTLS() bool {
	return s.tls || s.skipVerify || s.caFile != "" || s.certFile != "" || s.keyFile != "" || s.tlsName != ""
}

func (s *serverFlags) transport() (credentials.TransportCredentials, error) {
	if !s.useTLS() {
		if s.username != "" && !loopback(s.address) {
			return nil, usagef("--basic-auth.username: the password would cross the network unencrypted; add --tls")
		}
		return insecure.NewCredentials(), nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.tlsName, InsecureSkipVerify: s.skipVerify}
	if s.caFile != "" {
		pem, err := os.ReadFile(s.caFile)
		if err != nil {
			return nil, fmt.Errorf("--tls.ca-file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--tls.ca-file: %s holds no PEM certificate", s.caFile)
		}
	}
	if s.certFile != "" || s.keyFile != "" {
		cert, err := tls.LoadX509KeyPair(s.certFile, s.keyFile)
		if err != nil {
			return nil, fmt.Errorf("--tls.cert-file, --tls.key-file: %w", err)
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	return credentials.NewTLS(cfg), nil
}

func (s *serverFlags) readPassword() (err error) {
	s.password = os.Getenv("HWCTL_PASSWORD")
	if s.passwordFile != "" {
		s.password, err = readSecret(s.passwordFile)
	}
	return err
}

// loopback reports whether an address never leaves this machine.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return strings.HasPrefix(address, "unix:")
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// basicAuth sends HTTP basic authentication with every call.
type basicAuth struct{ username, password string }

// GetRequestMetadata returns the header.
func (b basicAuth) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(b.username+":"+b.password))}, nil
}

// RequireTransportSecurity is false because [serverFlags.transport] has already
// refused to send a password over a network in the clear.
func (basicAuth) RequireTransportSecurity() bool { return false }

// call runs fn with a connection and the time that --timeout allows.
func (a *app) call(ctx context.Context, fn func(ctx context.Context, conn *grpc.ClientConn) error) error {
	conn, err := a.server.dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	return fn(ctx, conn)
}

// ask sends one request and prints its answer: as JSON when that is wanted, else in the words of tell.
func ask[M proto.Message](ctx context.Context, a *app, send func(context.Context, *grpc.ClientConn) (M, error), tell func(M)) error {
	var answer M
	err := a.call(ctx, func(ctx context.Context, conn *grpc.ClientConn) (err error) {
		answer, err = send(ctx, conn)
		return err
	})
	if err != nil {
		return err
	}
	if a.json() {
		return a.printJSON(answer)
	}
	tell(answer)
	return nil
}

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/crypto/bcrypt"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// What the web configuration file asks of the web port, the gRPC port asks too.
func TestPasswordsAndTLSHoldForBothPorts(t *testing.T) {
	dir := t.TempDir()
	roots := writeCertificate(t, dir)
	hash, err := bcrypt.GenerateFromPassword([]byte("let me in"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "web.yaml")
	write(t, path, fmt.Sprintf("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {ops: %s}\n", hash))
	address := []string{"127.0.0.1:0"}
	r := launched(t, serverOptions{web: &web.FlagConfig{WebListenAddresses: &address, WebConfigFile: &path}})

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(client.CloseIdleConnections)
	code := func(user, password string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.base+"/api/v1/incidents", nil)
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			req.SetBasicAuth(user, password)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	waitFor(t, "the API", func() bool { return code("ops", "let me in") == 200 })
	if got := code("", ""); got != http.StatusUnauthorized {
		t.Errorf("REST without a password: %d", got)
	}

	conn, err := grpc.NewClient(r.grpc(t), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, tc := range []struct {
		name, header string
		want         codes.Code
	}{
		{"without", "", codes.Unauthenticated},
		{"right", "Basic " + base64.StdEncoding.EncodeToString([]byte("ops:let me in")), codes.OK},
		{"right again", "Basic " + base64.StdEncoding.EncodeToString([]byte("ops:let me in")), codes.OK},
		{"wrong", "Basic " + base64.StdEncoding.EncodeToString([]byte("ops:guess")), codes.Unauthenticated},
		{"nobody", "Basic " + base64.StdEncoding.EncodeToString([]byte("nobody:let me in")), codes.Unauthenticated},
		{"another scheme", "Bearer abc", codes.Unauthenticated},
		{"no base64", "Basic !", codes.Unauthenticated},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx := t.Context()
			if tc.header != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, "authorization", tc.header)
			}
			_, err := pb.NewIncidentServiceClient(conn).ListIncidents(ctx, &pb.ListIncidentsRequest{})
			if got := status.Code(err); got != tc.want {
				t.Errorf("ListIncidents: %v, want %v", err, tc.want)
			}
			if got := watchCode(ctx, conn); got != tc.want {
				t.Errorf("WatchIncidents: %v, want %v", got, tc.want)
			}
		})
	}
	if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("a probe without a password: %v", err)
	}
	write(t, path, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {other: "+string(hash)+"}\n")
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("ops:let me in")))
	if _, err := pb.NewIncidentServiceClient(conn).ListIncidents(ctx, &pb.ListIncidentsRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a user that was removed: %v", err)
	}
}

// Whoever has shown a password gives commands under that name and no other.
func TestCommandsAreRecordedUnderTheNameThatWasAuthenticated(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("let me in"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "web.yaml")
	write(t, path, fmt.Sprintf("basic_auth_users: {ops: %s}\n", hash))
	address := []string{"127.0.0.1:0"}
	r := launched(t, serverOptions{web: &web.FlagConfig{WebListenAddresses: &address, WebConfigFile: &path}})
	conn, err := grpc.NewClient(r.grpc(t), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	incidents := pb.NewIncidentServiceClient(conn)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("ops:let me in")))
	text, err := json.Marshal(firing("Down", "cart"))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "an alert to be taken", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.base+"/webhook/alertmanager", bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("ops", "let me in")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	var answer *pb.AcknowledgeIncidentResponse
	waitFor(t, "its incident", func() bool {
		answer, err = incidents.AcknowledgeIncident(ctx, &pb.AcknowledgeIncidentRequest{Id: "INC-1", Actor: "mallory"})
		return status.Code(err) != codes.NotFound
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.GetIncident().GetAcknowledgement().GetActor(); got != "ops" {
		t.Errorf("acknowledged by %q, want the user that was authenticated", got)
	}
}

// watchCode is how a watch begins.
func watchCode(ctx context.Context, conn *grpc.ClientConn) codes.Code {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch, err := pb.NewIncidentServiceClient(conn).WatchIncidents(ctx, &pb.WatchIncidentsRequest{})
	if err == nil {
		_, err = watch.Recv()
	}
	return status.Code(err)
}

// writeCertificate makes cert.pem and key.pem for 127.0.0.1 and returns what trusts them.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "headwater test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return pool
}

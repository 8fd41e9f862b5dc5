package bus_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/bus"
	streamv1 "github.com/headwater-sre/headwater/proto/headwater/stream/v1"
)

// external starts a server that listens, as somebody else would run it.
func external(t testing.TB, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(),
		NoLog: true, NoSigs: true, JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 1 << 20,
	}
	if change != nil {
		change(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("server did not start")
	}
	return s
}

func address(s *server.Server) string { return s.Addr().String() }

// restarted stops s and starts another on the same port and directory.
func restarted(t testing.TB, s *server.Server, between func()) *server.Server {
	t.Helper()
	port, dir := s.Addr().(*net.TCPAddr).Port, filepath.Dir(s.StoreDir())
	s.Shutdown()
	s.WaitForShutdown()
	if between != nil {
		between()
	}
	return external(t, func(o *server.Options) { o.Port, o.StoreDir = port, dir })
}

func TestExternalServerWithPasswordAndTLS(t *testing.T) {
	dir := t.TempDir()
	pair := writeCertificate(t, dir)
	s := external(t, func(o *server.Options) {
		o.Username, o.Password = "headwater", "s3cret"
		o.TLS, o.TLSVerify = true, true
		pool := x509.NewCertPool()
		pool.AddCert(pair.Leaf)
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}
	})
	log := &recorder{}
	o := bus.Options{
		URL: "nats://headwater:s3cret@" + address(s), Environment: "prod-eu", Logger: slog.New(log), ConnectTimeout: 10 * time.Second,
		CAFile: filepath.Join(dir, "cert.pem"), CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"),
	}
	b := open(t, o)
	mustEqual(t, publish(t, b, batch(1)), uint64(1))
	in, _ := follow(t, b, 0)
	mustEqual(t, take(t, in).Signal, correlate.Signal(batch(1)))
	mustEqual(t, b.Healthy(), nil)

	// A second replica finds the same stream.
	mustEqual(t, publish(t, open(t, o), batch(2)), uint64(2))
	mustEqual(t, take(t, in).Pos, uint64(2))

	wrong := o
	wrong.URL = "nats://headwater:wr0ng@" + address(s)
	begin := time.Now()
	_, err := bus.Open(t.Context(), wrong)
	if err == nil || errors.Is(err, bus.ErrUnavailable) || time.Since(begin) > 5*time.Second {
		t.Errorf("wrong password: got %v after %v, want a prompt and final error", err, time.Since(begin))
	}
	if strings.Contains(fmt.Sprint(err), "wr0ng") || log.has("s3cret") || log.has("wr0ng") {
		t.Errorf("a password was shown: %v", err)
	}
	untrusted := o
	untrusted.CAFile = ""
	if _, err := bus.Open(t.Context(), untrusted); err == nil || errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("unknown authority: got %v, want a final error", err)
	}
}

// writeCertificate makes a certificate that is good for both ends and its own authority.
func writeCertificate(t testing.TB, dir string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "headwater test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	for name, data := range map[string][]byte{"cert.pem": certPEM, "key.pem": keyPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func TestServerThatAppearsLateIsWaitedFor(t *testing.T) {
	s := external(t, nil)
	port, dir := s.Addr().(*net.TCPAddr).Port, filepath.Dir(s.StoreDir())
	url := "nats://" + address(s)
	s.Shutdown()
	s.WaitForShutdown()

	_, err := bus.Open(t.Context(), bus.Options{URL: url, ConnectTimeout: 50 * time.Millisecond})
	if !errors.Is(err, bus.ErrUnavailable) {
		t.Fatalf("nobody there: got %v, want ErrUnavailable", err)
	}
	opened := make(chan error, 1)
	log := &recorder{}
	go func() {
		b, err := bus.Open(context.WithoutCancel(t.Context()), bus.Options{URL: url, Logger: slog.New(log)})
		if err == nil {
			b.Close()
		}
		opened <- err
	}()
	eventually(t, "the first attempt to fail", func() bool { return log.has("NATS does not answer yet") })
	external(t, func(o *server.Options) { o.Port, o.StoreDir = port, dir })
	mustEqual(t, <-opened, nil)
}

func TestStoppedServerIsUnavailableAndFollowGoesOnAfterItsReturn(t *testing.T) {
	s := external(t, nil)
	b := open(t, bus.Options{URL: "nats://" + address(s), PublishTimeout: time.Second})
	publish(t, b, batch(1))
	in, _ := follow(t, b, 0)
	take(t, in)
	restarted(t, s, func() {
		eventually(t, "the bus to notice", func() bool { return b.Healthy() != nil })
		if _, err := b.Publish(t.Context(), batch(2)); !errors.Is(err, bus.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
		if err := b.DeadLetter(t.Context(), bus.DeadLetter{}); !errors.Is(err, bus.ErrUnavailable) {
			t.Errorf("dead letter: got %v, want ErrUnavailable", err)
		}
	})
	eventually(t, "publishing to work again", func() bool {
		_, err := b.Publish(t.Context(), batch(3))
		return err == nil
	})
	got := take(t, in)
	mustEqual(t, got.Pos, uint64(2))
	mustEqual(t, got.Signal, correlate.Signal(batch(3)))
	eventually(t, "the bus to be healthy", func() bool { return b.Healthy() == nil })
}

// Somebody deletes the stream and makes it anew under a running follower: waiting
// for its old positions to come around again would swallow everything until then.
func TestStreamMadeAnewUnderARunningFollowerIsRewound(t *testing.T) {
	s := external(t, nil)
	o := bus.Options{URL: "nats://" + address(s)}
	b := open(t, o)
	for i := range 3 {
		publish(t, b, batch(i))
	}
	out, result := make(chan correlate.Input), make(chan error, 1)
	go func() { result <- b.Follow(t.Context(), 0, out) }()
	for range 3 {
		take(t, out)
	}
	js := client(t, s)
	if err := js.DeleteStream(t.Context(), "HEADWATER_default"); err != nil {
		t.Fatal(err)
	}
	open(t, o) // makes it anew
	select {
	case err := <-result:
		if !errors.Is(err, bus.ErrRewound) {
			t.Errorf("got %v, want ErrRewound", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("Follow did not notice")
	}
}

// A reading that loses its consumer, as it does when the client dropped entries or
// the server restarted, goes on with a new one: every entry once, in order.
func TestReadGoesOnWithoutItsConsumer(t *testing.T) {
	s := external(t, nil)
	b := open(t, bus.Options{URL: "nats://" + address(s)})
	const entries = 700 // more than one fetch
	for i := range entries {
		publish(t, b, batch(i))
	}
	stream, err := client(t, s).Stream(t.Context(), "HEADWATER_default")
	if err != nil {
		t.Fatal(err)
	}
	var positions []uint64
	lost := 0
	err = b.Read(t.Context(), func(in correlate.Input) (bool, error) {
		if len(positions) == 0 {
			for name := range stream.ConsumerNames(t.Context()).Name() {
				lost++
				if err := stream.DeleteConsumer(t.Context(), name); err != nil {
					return false, err
				}
			}
		}
		positions = append(positions, in.Pos)
		return true, nil
	})
	if err != nil || lost == 0 {
		t.Fatalf("%d consumers deleted, %v", lost, err)
	}
	for i, pos := range positions {
		if pos != uint64(i+1) {
			t.Fatalf("entry %d has position %d", i+1, pos)
		}
	}
	if len(positions) != entries {
		t.Errorf("read %d of %d", len(positions), entries)
	}
}

func client(t testing.TB, s *server.Server) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect("nats://" + address(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestServerWithoutRoomIsUnavailable(t *testing.T) {
	s := external(t, func(o *server.Options) { o.JetStreamMaxStore = 1 << 20 })
	b := open(t, bus.Options{URL: "nats://" + address(s), DeadLetterMaxBytes: 64 << 10})
	for i := range 100 {
		sig := batch(i)
		sig.Alerts[0].Annotations["description"] = strings.Repeat("x", 64<<10)
		_, err := b.Publish(t.Context(), sig)
		if err == nil {
			continue
		}
		if !errors.Is(err, bus.ErrUnavailable) || !strings.Contains(err.Error(), "insufficient") {
			t.Errorf("got %v, want ErrUnavailable with the cause", err)
		}
		if b.Healthy() == nil {
			t.Error("healthy although it just refused a signal")
		}
		return
	}
	t.Error("6 MiB fitted into 1 MiB")
}

func TestPayloadLimitIsTheServers(t *testing.T) {
	s := external(t, func(o *server.Options) { o.MaxPayload = 16 << 10 })
	b := open(t, bus.Options{URL: "nats://" + address(s)})
	sig := batch(1, 2, 3, 4)
	for i := range sig.Alerts {
		sig.Alerts[i].Annotations["description"] = strings.Repeat(string(rune('a'+i)), 12<<10)
	}
	mustEqual(t, publish(t, b, sig), uint64(4))
}

func TestStreamThatLosesThingsIsRefused(t *testing.T) {
	s := external(t, nil)
	js := client(t, s)
	for env, c := range map[string]struct {
		config jetstream.StreamConfig
		want   string
	}{
		"memory":    {jetstream.StreamConfig{Storage: jetstream.MemoryStorage}, "does not survive a restart"},
		"workqueue": {jetstream.StreamConfig{Retention: jetstream.WorkQueuePolicy}, "removes entries that others still need"},
		"latest":    {jetstream.StreamConfig{MaxMsgsPerSubject: 1}, "keeps only 1 messages per subject"},
	} {
		c.config.Name, c.config.Subjects = "HEADWATER_"+env, []string{"headwater." + env + ".signals"}
		if _, err := js.CreateStream(t.Context(), c.config); err != nil {
			t.Fatal(err)
		}
		_, err := bus.Open(t.Context(), bus.Options{URL: "nats://" + address(s), Environment: env})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "HEADWATER_"+env) {
			t.Errorf("%s: got %v, want %q", env, err, c.want)
		}
	}
}

// Entries of a newer program pass as ticks: positions advance, the rest is read.
func TestEntryOfANewerFormatPassesAsATick(t *testing.T) {
	s := external(t, nil)
	log, reg := &recorder{}, prometheus.NewPedanticRegistry()
	b := open(t, bus.Options{URL: "nats://" + address(s), Logger: slog.New(log), Registerer: reg})
	publish(t, b, batch(1))
	newer, err := proto.Marshal(&streamv1.Entry{FormatVersion: 99})
	if err != nil {
		t.Fatal(err)
	}
	js := client(t, s)
	for range 3 {
		if _, err := js.Publish(t.Context(), "headwater.default.signals", newer); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, b, batch(2))
	in, _ := follow(t, b, 0)
	mustEqual(t, take(t, in).Signal, correlate.Signal(batch(1)))
	for pos := uint64(2); pos <= 4; pos++ {
		got := take(t, in)
		if got.Pos != pos || got.Signal != nil || got.At.IsZero() {
			t.Errorf("got %+v, want an input without a signal at %d", got, pos)
		}
	}
	mustEqual(t, take(t, in).Signal, correlate.Signal(batch(2)))
	mustEqual(t, gathered(t, reg, "headwater_bus_decode_errors_total"), 3.0)
	if !log.has("Cannot decode an entry of the stream, it passes as a tick and stays in the stream position=2") ||
		!log.has("End of entries that could not be decoded from=2 to=4 entries=3") {
		t.Errorf("log: %q", log.lines)
	}
}

package main

import (
	"net"
	"net/http"
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server" //nolint:depguard // a real server to wait for

	"github.com/headwater-sre/headwater/ingest/bus"
)

// Headwater and an external NATS server may be started in either order.
func TestAnExternalNATSServerIsWaitedFor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	l.Close()
	r := launched(t, serverOptions{bus: bus.Options{URL: "nats://" + address.String()}})

	waitFor(t, "the reason", func() bool {
		got := r.get(t, "/-/ready")
		return got.code == http.StatusServiceUnavailable && strings.Contains(got.body, "waiting for the NATS server of --nats.url")
	})
	if got := r.post(t, "/webhook/alertmanager", firing("HighLatency", "cart")); got.code != http.StatusServiceUnavailable {
		t.Errorf("an alert without a stream: %d %s", got.code, got.body)
	}
	if got := r.get(t, "/-/healthy"); got.code != http.StatusOK {
		t.Errorf("healthy: %d %s", got.code, got.body)
	}

	n, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: address.Port, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	n.Start()
	defer func() {
		r.stopped(t)
		n.Shutdown()
		n.WaitForShutdown()
	}()
	waitFor(t, "readiness", func() bool { return r.get(t, "/-/ready").code == http.StatusOK })
	if got := r.post(t, "/webhook/alertmanager", firing("HighLatency", "cart")); got.code != http.StatusOK {
		t.Errorf("an alert: %d %s", got.code, got.body)
	}
	waitFor(t, "the incident", func() bool { return r.get(t, "/api/v1/incidents/INC-1").code == http.StatusOK })
}

// A wait can be ended.
func TestTheWaitForNATSEndsWithTheServer(t *testing.T) {
	r := launched(t, serverOptions{bus: bus.Options{URL: "nats://127.0.0.1:1"}})
	r.stopped(t)
}

package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server" //nolint:depguard // a real server to publish to
	"github.com/nats-io/nats.go"                          //nolint:depguard // somebody else's client

	"github.com/headwater-sre/headwater/ingest/bus"
)

// Whoever has NATS already publishes there what others post.
func TestWhatIsPublishedOnNATSIsTakenAsWhatIsPosted(t *testing.T) {
	n, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	n.Start()
	if !n.ReadyForConnections(20 * time.Second) {
		t.Fatal("NATS did not start")
	}
	r := started(t, serverOptions{bus: bus.Options{URL: n.ClientURL()}})
	defer func() {
		r.stopped(t)
		n.Shutdown()
		n.WaitForShutdown()
	}()
	c, err := nats.Connect(n.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body, err := json.Marshal(firing("HighLatency", "cart"))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the acknowledgement", func() bool {
		reply, err := c.Request("headwater.default.intake.alertmanager", body, nats.DefaultTimeout)
		return err == nil && strings.Contains(string(reply.Data), `"stream":"HEADWATER_default_INTAKE"`)
	})
	waitFor(t, "the incident", func() bool { return r.get(t, "/api/v1/incidents/INC-1").code == http.StatusOK })
	if _, err := c.Request("headwater.default.intake.alertmanager", []byte("<alert/>"), nats.DefaultTimeout); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the dead letter", func() bool {
		letters, err := r.bus.DeadLetters(t.Context(), 10)
		return err == nil && len(letters) == 1 && string(letters[0].Body) == "<alert/>" && letters[0].RemoteAddr == "nats headwater.default.intake.alertmanager"
	})
}

package bus_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/headwater-sre/headwater/ingest/bus"
)

// taker takes parcels, and refuses while it is told to.
type taker struct {
	mu     sync.Mutex
	taken  []string
	header []string
	refuse int
	ended  chan error
}

// receive runs Receive until the test ends or stop is called.
func (k *taker) receive(t *testing.T, b *bus.Bus) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	k.ended = make(chan error, 1)
	go func() {
		k.ended <- b.Receive(ctx, func(_ context.Context, p bus.Parcel) error {
			k.mu.Lock()
			defer k.mu.Unlock()
			if k.refuse > 0 {
				k.refuse--
				return errors.New("stream down")
			}
			k.taken = append(k.taken, p.To+" "+string(p.Body))
			k.header = append(k.header, p.Header.Get("Content-Type"))
			return nil
		})
	}()
	return func() {
		cancel()
		if err := <-k.ended; err != nil {
			t.Errorf("Receive: %v", err)
		}
	}
}

func (k *taker) got() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Join(k.taken, ", ")
}

// publisher is somebody else's connection.
func publisher(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	c, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	js, err := jetstream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// awaitInbox waits until there is an inbox: it is made once it is received from.
func awaitInbox(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	eventually(t, "the inbox", func() bool {
		_, err := js.Stream(t.Context(), "HEADWATER_prod_INTAKE")
		return err == nil
	})
}

func TestTheInboxKeepsWhatIsPublishedUntilItIsTakenInOrder(t *testing.T) {
	s := external(t, nil)
	b := open(t, bus.Options{URL: "nats://" + address(s), Environment: "prod"})
	js := publisher(t, "nats://"+address(s))
	send := func(to, body string) {
		t.Helper()
		msg := &nats.Msg{Subject: "headwater.prod.intake." + to, Data: []byte(body), Header: nats.Header{"Content-Type": {"application/json"}}}
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	k := &taker{}
	stop := k.receive(t, b)
	awaitInbox(t, js)
	stop()
	send("alertmanager", "1") // nobody takes it yet
	k.refuse = 1
	stop = k.receive(t, b)
	send("source.monitor", "2")
	send("change", "3")
	eventually(t, "three messages", func() bool { return k.got() == "alertmanager 1, source.monitor 2, change 3" })
	if k.header[0] != "application/json" {
		t.Errorf("headers %v", k.header)
	}
	stream, err := js.Stream(t.Context(), "HEADWATER_prod_INTAKE")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "an empty inbox", func() bool {
		info, err := stream.Info(t.Context())
		return err == nil && info.State.Msgs == 0
	})
	if last, err := b.Last(t.Context()); err != nil || last != 0 {
		t.Errorf("the ordered stream holds %d entries, %v", last, err)
	}
	stop()
	send("health", "4")
	stop = k.receive(t, b)
	defer stop()
	eventually(t, "the message sent meanwhile", func() bool { return strings.HasSuffix(k.got(), "health 4") })
}

func TestReplicasShareTheInbox(t *testing.T) {
	s := external(t, nil)
	o := bus.Options{URL: "nats://" + address(s), Environment: "prod"}
	one, two := &taker{}, &taker{}
	defer one.receive(t, open(t, o))()
	defer two.receive(t, open(t, o))()
	js := publisher(t, "nats://"+address(s))
	awaitInbox(t, js)
	for range 20 {
		if _, err := js.Publish(t.Context(), "headwater.prod.intake.change", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	count := func() int { return strings.Count(one.got()+two.got(), "change x") }
	eventually(t, "each message once", func() bool { return count() >= 20 })
	if count() != 20 {
		t.Errorf("taken %d times", count())
	}
}

func TestTheInboxSurvivesARestartOfTheServer(t *testing.T) {
	s := external(t, nil)
	b := open(t, bus.Options{URL: "nats://" + address(s), Environment: "prod"})
	k := &taker{}
	defer k.receive(t, b)()
	s = restarted(t, s, nil)
	js := publisher(t, "nats://"+address(s))
	eventually(t, "a publisher's acknowledgement", func() bool {
		_, err := js.Publish(t.Context(), "headwater.prod.intake.change", []byte("after"))
		return err == nil
	})
	eventually(t, "the message", func() bool { return strings.Contains(k.got(), "change after") })
}

func TestTheEmbeddedServerHasNoInbox(t *testing.T) {
	if open(t, bus.Options{StoreDir: t.TempDir()}).HasInbox() {
		t.Error("nobody could publish to it")
	}
}

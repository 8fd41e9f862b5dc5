//go:build acceptance && linux

package acceptance

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server" //nolint:depguard // a real server to stop
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// failOpenConfig has pages due after three seconds.
const failOpenConfig = `
topology:
  files: [topology.yaml]
correlation:
  hold: 3s
  hold_confident: 2s
  settle: 200ms
  close_after: 2s
  reopen_within: 2s
`

// failOpenBound is how long an alert may wait for its page under failOpenConfig: hold, settling
// time, the promised 5 s, and the 10 s that failing open may take.
const failOpenBound = 3*time.Second + 200*time.Millisecond + 5*time.Second + 10*time.Second

// breakdown is one way to break what lies between an alert and its page.
type breakdown struct {
	name string
	// start runs a server that can be broken, and what breaks and mends it.
	start func(t *testing.T, place *site) (h *headwater, fail, mend func())
}

// In the middle of a storm, with a page due, correlation breaks down: on-call gets a page within
// the bound and ten seconds all the same, of what was taken before and of what comes after. When it works
// again each incident pages once, what was paged as received is resolved, and nothing was swallowed.
func TestAcceptanceFailOpen(t *testing.T) {
	for _, o := range []breakdown{
		{"the correlator's goroutine is killed", startKillable("kill")},
		{"the correlator hangs", startKillable("hang")},
		{"the disk fills up", startOnSmallDisk},
		{"NATS stops", startBesideNATS},
	} {
		t.Run(o.name, func(t *testing.T) { failOpen(t, o) })
	}
}

func failOpen(t *testing.T, o breakdown) {
	hook, pager := newCollector(t), newPagerduty(t, nil)
	world := newWorld(4, 2*time.Second)
	place := newSite(t, failOpenConfig+oncall(hook.URL, pager.URL), world.topology())
	began := time.Now()
	h, fail, mend := o.start(t, place)
	storm := startStorm(t.Context(), world, 1)
	storm.target.Store(&h.web)

	eventually(t, "the storm rages", patience, func() error {
		if n := storm.ledger.requests.Load(); n < 50 {
			return fmt.Errorf("%d requests", n)
		}
		return nil
	})

	held := newVictim(h, "held") // in an incident whose page is due
	eventually(t, "the alerts are taken", patience, held.notify)
	eventually(t, "they are held", patience, held.isHeld)
	pending := newVictim(h, "pending") // in no incident
	eventually(t, "the alerts are taken", patience, pending.notify)
	fail()
	after := newVictim(h, "after") // refused, or not applied
	stop := after.insist()
	victims := []*victim{held, pending, after}
	for _, v := range victims {
		n := v.paged(t, hook)
		took := n.at.Sub(v.since)
		t.Logf("%s: %s after the alert: %s", v.service, took.Round(100*time.Millisecond), n.Alerts[0].Annotations["summary"])
		t.Logf("it says:\n%s", n.Alerts[0].Annotations["description"])
		if took > failOpenBound {
			t.Errorf("on-call heard of %s %s after the alert, promised are %s", v.service, took, failOpenBound)
		}
	}

	mend()
	eventually(t, "headwater is ready again", 2*patience, func() error { return ready(h.web) })
	stop()
	eventually(t, "what was refused is taken", patience, after.notify)
	for _, v := range victims {
		eventually(t, "the real page of "+v.service, patience, func() error { return v.reallyPaged(hook) })
	}
	for _, v := range victims {
		v.calm()
		eventually(t, "the end is taken", patience, v.notify)
	}
	storm.calm(t)
	r := h.awaitQuiet(t)
	eventually(t, "pages of last resort are over", patience, func() error { return standing(hook) })

	l := storm.ledger
	for _, v := range victims {
		l.attempt(v.now())
		l.acknowledge(v.now())
	}
	f := audit(r, l.acknowledged(), l.attempted, realCalls(pager, hook), realNotices(hook))
	f.report(t)
	checkProven(t, h, began)
	if code := h.stop(t); code != 0 {
		t.Errorf("a stop that was asked for ended with code %d", code)
	}
}

// victim is a service whose page is due when things break.
type victim struct {
	cell
	h       *headwater
	service string
	since   time.Time // its first alert was sent
}

func newVictim(h *headwater, name string) *victim {
	v := &victim{cell: cell{name: "victims"}, h: h, service: "victim-" + name, since: time.Now()}
	v.fire(v.service, "HighErrorRate", "critical")
	v.fire(v.service, "HighLatency", "critical")
	return v
}

// notify sends its alerts once.
func (v *victim) notify() error {
	code, answer, err := post(v.h.web+"/webhook/alertmanager", webhook(v.service, v.now()))
	if err != nil || code != http.StatusOK {
		return fmt.Errorf("%d %s %w", code, answer, err)
	}
	return nil
}

// isHeld returns an error until its alerts are in an incident.
func (v *victim) isHeld() error {
	_, body, err := get(v.h.web + "/api/v1/alerts?filter=" + url.QueryEscape(`service = "victims/`+v.service+`" AND fate = "held"`))
	if err != nil || strings.Count(body, `"fingerprint"`) != len(v.now()) {
		return fmt.Errorf("%s %w", body, err)
	}
	return nil
}

// insist sends them over and over, as an Alertmanager that is refused, until it is stopped.
func (v *victim) insist() (stop func()) {
	done := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		again := time.NewTicker(2 * time.Second)
		defer again.Stop()
		for {
			_ = v.notify() // refused, most likely
			select {
			case <-again.C:
			case <-done:
				return
			}
		}
	})
	return sync.OnceFunc(func() { close(done); sending.Wait() })
}

func (v *victim) named(n notice) bool {
	return strings.Contains(n.Alerts[0].Annotations["summary"]+n.Alerts[0].Annotations["description"], v.service)
}

// paged waits for the first page that names it, of whatever kind.
func (v *victim) paged(t *testing.T, hook *collector) (first notice) {
	t.Helper()
	eventually(t, "a page of "+v.service, patience, func() error {
		for _, n := range hook.all() {
			if v.named(n) && n.kind() != resolved {
				first = n
				return nil
			}
		}
		return fmt.Errorf("%d notifications, none of it", len(hook.all()))
	})
	return first
}

// reallyPaged returns an error until its incident has paged.
func (v *victim) reallyPaged(hook *collector) error {
	for _, n := range hook.all() {
		if v.named(n) && n.kind() == "open" && !lastResort(n) {
			return nil
		}
	}
	return fmt.Errorf("no page of an incident names %s", v.service)
}

// checkProven asks the server for its own proof.
func checkProven(t *testing.T, h *headwater, since time.Time) {
	t.Helper()
	got, err := pb.NewAuditServiceClient(h.dial(t)).GetAudit(t.Context(), &pb.GetAuditRequest{Since: timestamppb.New(since.Add(-time.Minute))})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("audit: %d alerts, %d worth a page, findings %v", got.GetAlerts(), got.GetPageWorthy(), got.GetCounts())
	if !got.GetProven() || got.GetAlerts() == 0 {
		t.Errorf("not proven: %v", got.GetFindings())
	}
	for _, c := range got.GetCounts() {
		if c.GetKind() != pb.AuditFindingKind_AUDIT_FINDING_KIND_LATE { // they were, by as long as it lasted
			t.Errorf("%d %s: %v", c.GetCount(), c.GetKind(), got.GetFindings())
		}
	}
}

// startKillable runs the binary that has faults built in.
func startKillable(fault string) func(t *testing.T, place *site) (h *headwater, fail, mend func()) {
	return func(t *testing.T, place *site) (h *headwater, fail, mend func()) {
		file := filepath.Join(place.dir, "fault")
		t.Setenv("HEADWATER_FAULT_FILE", file)
		h = &headwater{process: launch(t, "headwater", binary(t, faultyBinary), place.args()...)}
		h.awaitReady(t)
		return h, func() { write(t, file, fault) }, func() {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// faultyBinary is the server with ways to break it.
var faultyBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(builds, "headwater-faults")
	return path, command("go", "build", "-tags=faults", "-o", path, "github.com/headwater-sre/headwater/cmd/headwater")
})

// startOnSmallDisk runs the server on a disk that can be filled.
func startOnSmallDisk(t *testing.T, place *site) (h *headwater, fail, mend func()) {
	mountTmpfs(t, place.storage, 512<<20) // the store wants 256 MiB free
	h = place.start(t)
	ballast := ""
	return h, func() { ballast = fill(t, place.storage) }, func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
}

// startBesideNATS runs the server beside a NATS server of its own.
func startBesideNATS(t *testing.T, place *site) (h *headwater, fail, mend func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	dir := t.TempDir()
	run := func() *natsserver.Server {
		n, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
		if err != nil {
			t.Fatal(err)
		}
		n.Start()
		if !n.ReadyForConnections(patience) {
			t.Fatal("NATS does not start")
		}
		return n
	}
	n := run()
	halt := func() { n.Shutdown(); n.WaitForShutdown() }
	t.Cleanup(func() { halt() })
	h = place.start(t, fmt.Sprintf("--nats.url=nats://127.0.0.1:%d", port))
	return h, halt, func() { n = run() }
}

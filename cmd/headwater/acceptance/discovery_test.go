//go:build acceptance

package acceptance

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// discoveryTTL is short so that the test is, and long enough for a quiet period to fit
// into it on a busy machine.
const discoveryTTL = 30 * time.Second

// discoveryConfig asks one Prometheus for all that it has.
const discoveryConfig = `
environment: prod-eu
topology:
  prometheus:
    - {url: '%[1]s', preset: istio, window: 2s, range: 30s, ttl: 30s, refresh_interval: 1s, timeout: 5s}
    - {url: '%[1]s', preset: istio-tcp, window: 2s, range: 30s, ttl: 30s, refresh_interval: 1s, timeout: 5s}
    - {url: '%[1]s', preset: otel, window: 2s, range: 30s, ttl: 30s, refresh_interval: 1s, timeout: 5s}
    - {url: '%[1]s', preset: linkerd, window: 2s, range: 30s, ttl: 30s, refresh_interval: 1s, timeout: 5s}
    - {url: '%[1]s', preset: kubernetes, window: 5s, ttl: 30s, refresh_interval: 1s, timeout: 5s}
`

var discoverySources = []string{"istio", "istio-tcp", "otel", "linkerd", "kubernetes"}

// smallMesh is a shop that two meshes, a tracer and a cluster know parts of.
var smallMesh = []string{
	istio(requests, "gateway", "web", answered),
	istio(requests, "web", "cart", answered),
	istio(requests, "web", "catalogue", answered),
	istio(requests, "old", "catalogue", answered),
	outside(requests, "cart", "redis", "cache", answered),
	istio(sent, "catalogue", "mysql", ""),
	istio(received, "catalogue", "mysql", ""),
	`traces_service_graph_request_total{client="user",server="web",connection_type="virtual_node"}`,
	`traces_service_graph_request_total{client="web",server="cart"}`,
	`traces_service_graph_request_total{client="cart",server="mailer",connection_type="messaging_system"}`,
	`traces_service_graph_request_total{client="mailer",server="smtp.example.com",connection_type="virtual_node"}`,
	`response_total{direction="outbound",namespace="legacy",deployment="billing",dst_namespace="legacy",dst_deployment="ledger",classification="success"}`,
}

// deadEdge is the one that stops for good.
var deadEdge = istio(requests, "old", "catalogue", answered)

// smallMap is what is to be known of it.
var smallMap = []string{
	"cart -> cache/redis hard",
	"cart -> mailer async",
	"cart on node-a",
	"cart on node-b",
	"catalogue -> mysql hard",
	"gateway -> web hard",
	"legacy/billing -> legacy/ledger hard",
	"mailer -> smtp.example.com hard",
	"mysql on node-b",
	"node-a on zone-1",
	"node-b on zone-2",
	"old -> catalogue hard",
	"web -> cart hard",
	"web -> catalogue hard",
}

// placement is what kube-state-metrics says.
func placement(m *mesh) {
	for _, id := range []string{
		`kube_pod_info{namespace="shop",pod="cart-6c9f7d58b4-x2lqp",node="node-a",created_by_kind="ReplicaSet",created_by_name="cart-6c9f7d58b4"}`,
		`kube_pod_info{namespace="shop",pod="cart-6c9f7d58b4-8ssvm",node="node-b",created_by_kind="ReplicaSet",created_by_name="cart-6c9f7d58b4"}`,
		`kube_pod_info{namespace="shop",pod="mysql-0",node="node-b",created_by_kind="StatefulSet",created_by_name="mysql"}`,
		`kube_pod_info{namespace="kube-system",pod="proxy-x2lqp",node="node-a",created_by_kind="DaemonSet",created_by_name="proxy"}`,
		`kube_replicaset_owner{namespace="shop",replicaset="cart-6c9f7d58b4",owner_kind="Deployment",owner_name="cart"}`,
		`kube_node_info{node="node-a",internal_ip="10.0.0.1",provider_id="aws:///zone-1/i-0a"}`,
		`kube_node_labels{node="node-b",label_topology_kubernetes_io_zone="zone-2"}`,
	} {
		m.gauge(id, 1)
	}
}

// A map is made of metrics alone, and stays one when there is nothing to be seen.
func TestAcceptanceDiscovery(t *testing.T) {
	m := newMesh(t)
	for _, id := range smallMesh {
		m.flow(id, 20)
	}
	placement(m)
	p := newPrometheus(t)
	p.configure(t, fmt.Sprintf(prometheusConfig, m.address()), "")
	p.start(t)
	place := newSite(t, fmt.Sprintf(discoveryConfig, p.web), "")
	h := place.start(t)
	knows(t, h, "discovers the map", smallMap)

	quietSince := time.Now()
	for _, id := range smallMesh {
		m.flow(id, 0)
	}
	eventually(t, "Prometheus sees that nothing moves", patience, func() error {
		moving, err := p.query(`sum({__name__=~"istio_requests_total|traces_service_graph_request_total|response_total"}) - sum({__name__=~"istio_requests_total|traces_service_graph_request_total|response_total"} offset 3s) != 0`)
		if err == nil && len(moving) > 0 {
			err = fmt.Errorf("moved by %v in 3 s", moving)
		}
		return err
	})
	h.refreshed(t, 3)
	if got := mapOf(t, h); time.Since(quietSince) < discoveryTTL {
		if diff := cmp.Diff(smallMap, got); diff != "" {
			t.Errorf("a quiet period changes the map (-want +got):\n%s", diff)
		}
	} else {
		t.Logf("the machine was too slow to look within the TTL: %s", time.Since(quietSince))
	}

	for _, id := range smallMesh {
		if id != deadEdge {
			m.flow(id, 20)
		}
	}
	living := slices.DeleteFunc(slices.Clone(smallMap), func(line string) bool { return strings.HasPrefix(line, "old ") })
	knows(t, h, "drops the dead edge and keeps all others", living)
	if d := time.Since(quietSince); d < discoveryTTL-2*time.Second {
		t.Errorf("the dead edge was dropped after %s, its TTL is %s", d, discoveryTTL)
	}

	p.kill()
	eventually(t, "the server says that its sources are away", patience, func() error { return h.sourcesAre(0) })
	if diff := cmp.Diff(living, mapOf(t, h)); diff != "" {
		t.Errorf("without Prometheus the map changes (-want +got):\n%s", diff)
	}
	h.kill()
	h = place.start(t)
	knows(t, h, "is started again without Prometheus, and has the map", living)
	m.flow(istio(requests, "web", "new", answered), 20)
	p.start(t)
	eventually(t, "the server says that its sources are back", patience, func() error { return h.sourcesAre(1) })
	withNew := append(slices.Clone(living), "web -> new hard")
	slices.Sort(withNew)
	knows(t, h, "learns what is new after Prometheus came back", withNew)
}

// knows waits until the map in force is want.
func knows(t *testing.T, h *headwater, what string, want []string) {
	t.Helper()
	conn := h.dial(t)
	eventually(t, "Headwater "+what, 2*discoveryTTL, func() error {
		got, err := readMap(t.Context(), conn)
		if err != nil {
			return errors.Join(err, h.alive())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("the map differs (-want +got):\n%s", diff)
		}
		return nil
	})
}

func mapOf(t *testing.T, h *headwater) []string {
	t.Helper()
	got, err := readMap(t.Context(), h.dial(t))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// readMap is the graph in force: dependencies with their modes, and placement.
func readMap(ctx context.Context, conn grpc.ClientConnInterface) ([]string, error) {
	answer, err := pb.NewTopologyServiceClient(conn).GetTopology(ctx, &pb.GetTopologyRequest{})
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	placed := map[[2]string]bool{}
	var lines []string
	for _, s := range answer.GetTopology().GetServices() {
		names[refOf(s.GetRef())] = s.GetShortName()
		if s.GetRef().GetNamespace() != "shop" && s.GetRef().GetNamespace() != "" {
			names[refOf(s.GetRef())] = refOf(s.GetRef())
		}
	}
	for _, s := range answer.GetTopology().GetServices() {
		for _, on := range s.GetRunsOn() {
			placed[[2]string{names[refOf(s.GetRef())], on}] = true
			lines = append(lines, names[refOf(s.GetRef())]+" on "+on)
		}
	}
	for _, d := range answer.GetTopology().GetDependencies() {
		from, to := names[refOf(d.GetFrom())], names[refOf(d.GetTo())]
		if !placed[[2]string{from, to}] {
			mode := strings.ToLower(strings.TrimPrefix(d.GetMode().String(), "DEPENDENCY_MODE_"))
			lines = append(lines, fmt.Sprintf("%s -> %s %s", from, to, mode))
		}
	}
	slices.Sort(lines)
	return lines, nil
}

func refOf(r *pb.ServiceRef) string {
	if r.GetNamespace() == "" {
		return r.GetName()
	}
	return r.GetNamespace() + "/" + r.GetName()
}

var (
	sourceUp      = regexp.MustCompile(`(?m)^headwater_topology_source_up\{source="([^"]+)"\} (\d+)$`)
	sourceFetches = regexp.MustCompile(`(?m)^headwater_topology_source_fetches_total\{result="ok",source="([^"]+)"\} (\d+)$`)
)

// sourcesAre returns an error unless the server says of all sources that they are up (1) or away (0).
func (h *headwater) sourcesAre(up int) error {
	_, metrics, err := get(h.web + "/metrics")
	if err != nil {
		return err
	}
	said := map[string]string{}
	for _, m := range sourceUp.FindAllStringSubmatch(metrics, -1) {
		said[m[1]] = m[2]
	}
	for _, name := range discoverySources {
		if said[name] != strconv.Itoa(up) {
			return fmt.Errorf("headwater_topology_source_up is %v, want %d for %s", said, up, name)
		}
	}
	return nil
}

// refreshed waits until every source has answered n more times.
func (h *headwater) refreshed(t *testing.T, n int) {
	t.Helper()
	fetches := func() map[string]int {
		_, metrics, err := get(h.web + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for _, m := range sourceFetches.FindAllStringSubmatch(metrics, -1) {
			count[m[1]], _ = strconv.Atoi(m[2])
		}
		return count
	}
	before := fetches()
	eventually(t, "every source was asked again", patience, func() error {
		now := fetches()
		for _, name := range discoverySources {
			if now[name] < before[name]+n {
				return fmt.Errorf("%s was asked %d times, then %d", name, before[name], now[name])
			}
		}
		return nil
	})
}

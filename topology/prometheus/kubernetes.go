package prometheus

import (
	"context"
	"time"

	"github.com/headwater-sre/headwater/topology/discovery"
)

// DefaultPlacementWindow is how long a node counts as a workload's place after the last
// of its pods was there.
const DefaultPlacementWindow = 15 * time.Minute

// The queries of [Kubernetes]. last_over_time bridges scrapes that failed and pods that
// are just being replaced.
const (
	// Where pods are, by what made them. Pods that have ended do not count.
	podsQuery = `count by (namespace, created_by_kind, created_by_name, node) (
		last_over_time(kube_pod_info{$matchers node!=""}[$window])
		unless on (namespace, pod) last_over_time(kube_pod_status_phase{$matchers phase=~"Succeeded|Failed"}[$window]) == 1)`
	// What made the pods' makers.
	ownersQuery = `count by (namespace, replicaset, owner_kind, owner_name) (
		last_over_time(kube_replicaset_owner{$matchers owner_name!="", owner_name!="<none>"}[$window]))`
	// Nodes, with their address and where their cloud says that they are.
	nodesQuery = `count by (node, internal_ip, provider_id) (last_over_time(kube_node_info{$matchers}[$window]))`
	// Zones, where kube-state-metrics was allowed to tell labels.
	zonesQuery = `count by (node, label_topology_kubernetes_io_zone, label_failure_domain_beta_kubernetes_io_zone) (
		last_over_time(kube_node_labels{$matchers}[$window]))`
)

// KubernetesOptions say whom [Kubernetes] asks.
type KubernetesOptions struct {
	Name     string // of the source
	Client   *Client
	Matchers []string // added to every selector, such as cluster="prod-eu"
	// Window is how long a node counts as a workload's place after the last of its pods
	// was there. Default [DefaultPlacementWindow].
	Window time.Duration
}

// Kubernetes learns placement from kube-state-metrics.
//
// A workload is a Deployment, StatefulSet, Argo Rollout or what else makes pods that
// stay. It runs on the nodes where its pods are, of which one must work; a node runs on
// its zone. Left out are the pods of Jobs, which are everywhere for a moment, of
// DaemonSets, which are everywhere always, and those that nothing made.
type Kubernetes struct {
	name                       string
	client                     *Client
	pods, owners, nodes, zones string
}

// NewKubernetes makes a source.
func NewKubernetes(o KubernetesOptions) (*Kubernetes, error) {
	window := o.Window
	if window <= 0 {
		window = DefaultPlacementWindow
	}
	if err := check(podsQuery, o.Matchers); err != nil {
		return nil, err
	}
	full := func(query string) string { return expand(query, window, o.Matchers) }
	return &Kubernetes{
		name: o.Name, client: o.Client,
		pods: full(podsQuery), owners: full(ownersQuery), nodes: full(nodesQuery), zones: full(zonesQuery),
	}, nil
}

// Name implements [discovery.Source].
func (k *Kubernetes) Name() string { return k.name }

// Fetch implements [discovery.Source].
func (k *Kubernetes) Fetch(ctx context.Context) (discovery.Report, error) {
	q := inquiry{ctx: ctx, client: k.client}
	p := placement{pods: q.vector(k.pods), owners: q.vector(k.owners), nodes: q.vector(k.nodes), zones: q.vector(k.zones)}
	if q.err != nil {
		return discovery.Report{}, q.err
	}
	r := p.report()
	r.Warnings = append(r.Warnings, q.warnings...)
	return r, nil
}

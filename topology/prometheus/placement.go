package prometheus

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/discovery"
)

// placement is what kube-state-metrics says, as it was answered.
type placement struct{ pods, owners, nodes, zones model.Vector }

// passing are makers of pods whose place says nothing of a service.
var passing = map[string]bool{"Job": true, "DaemonSet": true, "Node": true, "<none>": true, "": true}

// report tells workloads, nodes and zones, each in the order of names.
func (p *placement) report() discovery.Report {
	owners := p.replicaSets()
	places := map[topology.Ref]map[string]bool{} // workload to nodes
	used := map[string]bool{}
	for _, s := range p.pods {
		workload, stays := workloadOf(s.Metric, owners)
		node := string(s.Metric["node"])
		if !stays || node == "" {
			continue
		}
		if places[workload] == nil {
			places[workload] = map[string]bool{}
		}
		places[workload][node], used[node] = true, true
	}
	var r discovery.Report
	for _, ref := range slices.SortedFunc(maps.Keys(places), compareRefs) {
		r.Services = append(r.Services, topology.Service{
			Namespace: ref.Namespace, Name: ref.Name, RunsOn: slices.Sorted(maps.Keys(places[ref])),
		})
	}
	p.addPlaces(&r, used)
	return r
}

// replicaSets are the owners of ReplicaSets.
func (p *placement) replicaSets() map[topology.Ref]string {
	owners := map[topology.Ref]string{}
	for _, s := range p.owners {
		m := s.Metric
		set := topology.Ref{Namespace: string(m["namespace"]), Name: string(m["replicaset"])}
		owner := string(m["owner_name"])
		if first, twice := owners[set]; owner != "" && (!twice || owner < first) {
			owners[set] = owner
		}
	}
	return owners
}

// workloadOf is what the pods of a sample belong to. It returns false for pods that do
// not stay.
func workloadOf(m model.Metric, owners map[topology.Ref]string) (topology.Ref, bool) {
	maker := topology.Ref{Namespace: string(m["namespace"]), Name: string(m["created_by_name"])}
	kind := string(m["created_by_kind"])
	if passing[kind] || maker.Name == "" {
		return topology.Ref{}, false
	}
	if kind == "ReplicaSet" {
		maker.Name = cmp.Or(owners[maker], withoutHash(maker.Name))
	}
	return maker, true
}

// withoutHash is a ReplicaSet's name without the hash that a Deployment appends, for
// where nobody says who owns it: the map must not change with every rollout.
func withoutHash(name string) string {
	cut := strings.LastIndexByte(name, '-')
	hash := name[cut+1:]
	if cut <= 0 || len(hash) < 8 || len(hash) > 10 || strings.Trim(hash, "bcdfghjklmnpqrstvwxz0123456789") != "" {
		return name
	}
	return name[:cut]
}

// addPlaces adds the nodes that are used, and their zones.
func (p *placement) addPlaces(r *discovery.Report, used map[string]bool) {
	zones := p.nodeZones()
	addresses := p.addresses()
	all := map[string]bool{}
	unknown := 0
	for _, node := range slices.Sorted(maps.Keys(used)) {
		host := topology.Service{Name: node, Kind: topology.KindHost, Aliases: addresses[node]}
		if zone := zones[node]; zone != "" {
			host.RunsOn, all[zone] = []string{zone}, true
		} else {
			unknown++
		}
		r.Services = append(r.Services, host)
	}
	for _, zone := range slices.Sorted(maps.Keys(all)) {
		r.Services = append(r.Services, topology.Service{Name: zone, Kind: topology.KindZone})
	}
	if unknown > 0 {
		r.Warnings = append(r.Warnings, topology.Warning{Text: fmt.Sprintf(
			"the zone of %d of %d nodes is not known; start kube-state-metrics with --metric-labels-allowlist=nodes=[topology.kubernetes.io/zone]", unknown, len(used))})
	}
}

// nodeZones prefers the label of today to the one of old, and both to the cloud's id.
func (p *placement) nodeZones() map[string]string {
	zones := map[string]string{}
	for _, s := range p.nodes {
		keep(zones, s.Metric["node"], zoneOf(string(s.Metric["provider_id"])))
	}
	for _, label := range []model.LabelName{"label_failure_domain_beta_kubernetes_io_zone", "label_topology_kubernetes_io_zone"} {
		better := map[string]string{}
		for _, s := range p.zones {
			keep(better, s.Metric["node"], string(s.Metric[label]))
		}
		maps.Copy(zones, better)
	}
	return zones
}

// keep notes a value; of several the first in their order, whatever that of the samples.
func keep(into map[string]string, node model.LabelValue, value string) {
	if first, twice := into[string(node)]; value != "" && (!twice || value < first) {
		into[string(node)] = value
	}
}

// zoneOf reads the zone out of a node's id at its cloud, where that has it:
// aws:///eu-west-1a/i-0ab… and gce://project/europe-west1-b/name.
func zoneOf(providerID string) string {
	cloud, rest, _ := strings.Cut(providerID, "://")
	parts := strings.Split(rest, "/")
	if len(parts) != 3 || cloud != "aws" && cloud != "gce" {
		return ""
	}
	return parts[1]
}

// addresses are what nodes are called where their names are not known.
func (p *placement) addresses() map[string][]string {
	all := map[string][]string{}
	for _, s := range p.nodes {
		node, ip := string(s.Metric["node"]), string(s.Metric["internal_ip"])
		if i, found := slices.BinarySearch(all[node], ip); ip != "" && ip != node && !found {
			all[node] = slices.Insert(all[node], i, ip)
		}
	}
	return all
}

package topology

import (
	"math/bits"
	"slices"
)

// role says what a label may tell about an alert.
type role uint16

const (
	names     role = 1 << iota // the thing that the alert is about
	blocks                     // … so surely that the alert is not about the place it runs in
	caller                     // the caller's end of an edge
	callee                     // the callee's end of an edge, beside a caller
	remote                     // the callee of whatever the other labels name
	anyRemote                  // … but the label is so general that its value must be a known node
	host                       // the machine
	zone                       // the zone or region
	cluster                    // the cluster
	hint                       // no name by itself: alertname, namespaces, reporter
)

// form says how a label's value holds a name.
type form uint8

const (
	plain   form = iota // the name itself, perhaps "namespace/name"
	pod                 // a name with what Kubernetes appended: hash, ordinal
	run                 // a name with a run's number: nightly-backup-28941
	claim               // a volume claim: data-mysql-0
	address             // host, host:port or URL
	machine             // a machine's name, perhaps with a port
	arn                 // a cloud resource's full id
	derived             // a name with something added: cart-tls, cart-group-1
	cloud               // Envoy's cluster: outbound|8080||cart.shop.svc.cluster.local
)

// rule is what one label name means. Its position in the table is its trust: among
// names the first that the graph knows wins.
type rule struct {
	label string
	roles role
	form  form
	kind  Kind   // when not KindService: matches only such nodes
	how   string // Resolution.How
}

// slot is an index into rules.
type slot uint8

var rules = rank(
	// What a service calls itself.
	of(names|blocks, plain, "exported_service", "service", "service_name", "exported_app", "app",
		"app_kubernetes_io_name", "app.kubernetes.io/name", "label_app_kubernetes_io_name", "label_app",
		"k8s_app", "k8s-app", "label_k8s_app", "application"),
	// What runs it.
	of(names|blocks, plain, "exported_deployment", "deployment", "statefulset", "daemonset", "rollout",
		"replicationcontroller", "cronjob", "horizontalpodautoscaler", "hpa", "scaledobject", "poddisruptionbudget",
		"workload", "workload_name", "k8s_deployment_name", "k8s_statefulset_name", "k8s_daemonset_name",
		"kubernetes_deployment", "deploymentconfig"),
	of(names|blocks, pod, "replicaset"),
	// A mesh's or tracer's view of the callee.
	of(names|blocks|callee, plain, "destination_workload", "destination_canonical_service",
		"destination_service_name", "destination_app"),
	of(names|blocks|callee, address, "destination_service"),
	of(names|blocks|callee, plain, "server", "server_service", "callee", "callee_service", "destination"),
	of(names|blocks|callee|remote, plain, "dst_deployment", "dst_statefulset", "dst_service", "dst_workload"),
	of(names|blocks, plain, "container_label_com_docker_compose_service", "com_docker_compose_service",
		"container_label_com_docker_swarm_service_name", "task_group"),
	of(names|blocks, pod, "exported_pod", "pod", "pod_name", "kubernetes_pod_name", "k8s_pod_name"),
	of(names|blocks, plain, "exported_container", "container", "container_name", "k8s_container_name"),
	of(names|blocks, claim, "persistentvolumeclaim", "exported_persistentvolumeclaim"),
	// Cloud resources by their own ids.
	of(names|blocks, plain, "dimension_DBInstanceIdentifier", "dimension_DBClusterIdentifier",
		"dimension_CacheClusterId", "dimension_ReplicationGroupId", "dimension_QueueName", "dimension_TopicName",
		"dimension_FunctionName", "dimension_TableName", "dimension_ServiceName", "dimension_LoadBalancer",
		"dbinstance_identifier", "db_instance_identifier", "dbcluster_identifier", "cache_cluster_id",
		"replication_group_id", "function_name", "table_name", "load_balancer", "resource_name", "resourceName"),
	of(names, arn, "database_id", "arn"),
	of(names|blocks, plain, "exported_ingress", "ingress"),
	// How it is scraped or probed.
	of(names|blocks, run, "job_name"),
	of(names|blocks, plain, "exported_job", "job"),
	of(names, address, "target", "exported_instance", "instance", "url", "authority"),
	of(names|remote|anyRemote, derived, "name"),
	of(names, derived, "exported_name", "certificate", "secret_name"),
	of(names, derived, "consumergroup", "consumer_group", "group_id", "component"),
	only(KindDatabase, "datname", "dbname", "database", "db", "schema"),
	only(KindQueue, "queue", "queue_name", "topic", "stream"),
	// The caller's end of an edge; the subject only when nothing else is named.
	of(names|caller, plain, "source_workload", "source_canonical_service", "source_service_name", "source_app"),
	of(names|caller, address, "source_service"),
	of(caller, plain, "client", "client_service", "caller", "caller_service", "downstream_service", "downstream", "source"),
	// The callee of whatever the other labels name.
	of(names|callee|remote, plain, "peer_service", "upstream_service", "remote_service", "target_service"),
	of(callee|remote|anyRemote, cloud, "envoy_cluster_name", "upstream_cluster", "upstream"),
	of(remote|anyRemote, derived, "command", "backend", "remote", "dependency", "circuit_breaker", "circuitbreaker"),
	// Places.
	of(host, machine, "exported_node", "node", "nodename", "kubernetes_node", "k8s_node_name", "hostname", "host", "dimension_InstanceId"),
	of(zone, plain, "zone", "availability_zone", "topology_kubernetes_io_zone", "topology.kubernetes.io/zone",
		"region", "topology_kubernetes_io_region", "topology.kubernetes.io/region"),
	of(cluster, plain, "cluster", "cluster_name"),
	// Not names.
	of(hint, plain, "alertname", "reporter", "exported_namespace", "namespace", "kubernetes_namespace",
		"k8s_namespace_name", "destination_workload_namespace", "destination_service_namespace",
		"dst_namespace", "source_workload_namespace"),
)

func of(roles role, f form, labels ...string) []rule {
	group := make([]rule, len(labels))
	for i, l := range labels {
		group[i] = rule{label: l, roles: roles, form: f, how: "label " + l}
	}
	return group
}

// only is for names of things inside a store: they name the store when it is called
// the same, and must not be taken for a service that happens to be.
func only(kind Kind, labels ...string) []rule {
	group := of(names, plain, labels...)
	for i := range group {
		group[i].kind = kind
	}
	return group
}

func rank(groups ...[]rule) []rule { return slices.Concat(groups...) }

// maxSlots bounds the table; evidence is an array of this size on the stack.
const maxSlots = 192

// slots finds a label's rule.
var slots = func() map[string]slot {
	if len(rules) > maxSlots {
		panic("topology: more label rules than slots")
	}
	m := make(map[string]slot, len(rules))
	for i := range rules {
		m[rules[i].label] = slot(i)
	}
	if len(m) != len(rules) {
		panic("topology: a label has two rules")
	}
	return m
}()

// The slots that code asks for by name.
var (
	slotAlertname   = slots["alertname"]
	slotReporter    = slots["reporter"]
	slotJob         = slots["job"]
	slotService     = slots["service"]
	slotPod         = slots["pod"]
	slotContainer   = slots["container"]
	slotInstance    = slots["instance"]
	slotExportedPod = slots["exported_pod"]
	slotExportedCtr = slots["exported_container"]

	slotExportedNamespace = slots["exported_namespace"]

	namespaceSlots   = slotsOf("exported_namespace", "namespace", "kubernetes_namespace", "k8s_namespace_name")
	calleeNamespaces = slotsOf("destination_workload_namespace", "destination_service_namespace", "dst_namespace")
	callerNamespaces = slotsOf("source_workload_namespace")

	exportedSlots = maskOf(func(r *rule) bool { return len(r.label) > 9 && r.label[:9] == "exported_" })
	roleMasks     = func() (m [16]slotSet) {
		for bit := range m {
			m[bit] = maskOf(func(r *rule) bool { return r.roles&(1<<bit) != 0 })
		}
		return m
	}()
)

// roleMask is the set of slots that have a single role.
func roleMask(r role) *slotSet { return &roleMasks[bits.TrailingZeros16(uint16(r))] }

func slotsOf(labels ...string) []slot {
	found := make([]slot, len(labels))
	for i, l := range labels {
		found[i] = slots[l]
	}
	return found
}

func maskOf(want func(*rule) bool) slotSet {
	var m slotSet
	for i := range rules {
		if want(&rules[i]) {
			m.add(slot(i))
		}
	}
	return m
}

// namesThings reports whether the resolver takes names from a label.
func namesThings(label string) bool {
	i, ok := slots[label]
	return ok && rules[i].roles&(names|caller|callee|remote|host|zone) != 0
}

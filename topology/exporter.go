package topology

import "strings"

// Scrapers put their own identity beside that of what they observe. A value recognised
// here is believed only when the labels name nothing else.

// exporters are names of what observes, as they appear in job, service, app, container
// and, stripped, in pod.
var exporters = setOf(
	"node", "nodes", "node-exporter", "node_exporter", "windows-exporter", "kube-state-metrics", "ksm", "kubelet",
	"cadvisor", "blackbox", "blackbox-exporter", "blackbox_exporter", "probe", "probes", "prometheus",
	"prometheus-k8s", "prometheus-server", "prometheus-agent", "prometheus-operator", "federate", "federation",
	"pushgateway", "alertmanager", "cloudwatch", "yace", "stackdriver", "snmp", "jmx", "statsd", "telegraf",
	"collectd", "otel-collector", "otelcol", "opentelemetry-collector", "grafana-agent", "alloy", "vmagent",
	"vmalert", "thanos-rule", "thanos-ruler", "metrics-server", "cert-manager", "istio-mesh", "envoy-stats",
	"istio-telemetry", "linkerd-proxy", "istio-proxy",
)

// scrapeSuffixes end the names that packages give to exporters: "kps-kube-state-metrics".
var scrapeSuffixes = []string{"-exporter", "_exporter", "kube-state-metrics", "-kubelet", "cadvisor"}

// sidecars are containers that live in everybody's pod.
var sidecars = setOf(
	"istio-proxy", "linkerd-proxy", "envoy", "envoy-sidecar", "daprd", "cloud-sql-proxy", "vault-agent",
	"POD", "pause", "app", "main", "server", "sidecar", "istio-init", "config-reloader",
)

// ownInstance are observers whose instance label is their own address. That of any
// other is the address of what it observes.
var ownInstance = setOf(
	"kube-state-metrics", "ksm", "prometheus", "prometheus-k8s", "prometheus-server", "pushgateway", "cloudwatch",
	"yace", "stackdriver", "cert-manager", "otel-collector", "otelcol", "opentelemetry-collector", "statsd",
	"telegraf", "federate", "federation", "alertmanager", "metrics-server",
	"cloudwatch-exporter", "cloudwatch_exporter", "statsd-exporter", "stackdriver-exporter",
)

func setOf(values ...string) map[string]bool {
	m := make(map[string]bool, len(values))
	for _, v := range values {
		m[v] = true
	}
	return m
}

func isExporter(name string) bool {
	if exporters[name] {
		return true
	}
	for _, s := range scrapeSuffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return strings.HasPrefix(name, "kubernetes-") // kubernetes-pods, kubernetes-service-endpoints, …
}

func hasOwnInstance(job string) bool {
	return ownInstance[job] || strings.HasSuffix(job, "kube-state-metrics")
}

// observers are the slots whose values belong to whoever scraped the alert's series.
func (e *evidence) observers() slotSet {
	var owned slotSet
	job := e.get(slotJob)
	if job != "" && hasOwnInstance(job) {
		owned.add(slotInstance)
	}
	if exported := e.set.and(&exportedSlots); !exported.empty() {
		owned.add(slotService)
		owned.add(slotJob)
		owned.add(slotInstance)
		if e.set.has(slotExportedPod) || isExporter(job) {
			owned.add(slotPod)
		}
		if e.set.has(slotExportedCtr) || isExporter(job) {
			owned.add(slotContainer)
		}
	}
	return owned
}

// observes reports whether the value names an observer rather than the observed.
func (r *rule) observes(value string) bool {
	switch r.form {
	case plain:
		return r.roles&blocks != 0 && (isExporter(value) || r.isContainer() && sidecars[value])
	case pod:
		return isExporter(stripPod(value))
	case address:
		return r.roles&caller == 0 && isExporter(hostOf(value))
	default:
		return false
	}
}

func (r *rule) isContainer() bool { return strings.Contains(r.label, "container") }

package topology

import "strings"

// match finds the node that a label's value names. namespace is a hint and may be empty.
func match(g *Graph, r *rule, value, namespace string) (NodeID, bool) {
	n, ok := matchForm(g, r.form, value, namespace)
	if !ok {
		n, ok = g.labelled(r.label, value)
	}
	if ok && r.kind != KindService && g.services[n].Kind != r.kind {
		return None, false
	}
	return n, ok
}

func matchForm(g *Graph, f form, value, namespace string) (NodeID, bool) {
	switch f {
	case pod:
		return matchShortened(g, value, namespace, generatedParts(value))
	case run:
		return matchShortened(g, value, namespace, 1)
	case claim:
		return matchClaim(g, value, namespace)
	case address, machine:
		return matchAddress(g, value, namespace)
	case arn:
		return matchName(g, lastPart(value), namespace)
	case cloud:
		return matchCloud(g, value, namespace)
	default:
		return matchName(g, value, namespace)
	}
}

func matchName(g *Graph, name, namespace string) (NodeID, bool) {
	if n, ok := g.Lookup(Ref{namespace, name}); ok {
		return n, true
	}
	if strings.IndexByte(name, '/') > 0 { // OpenTelemetry's job is service.namespace/service.name
		if n, ok := g.Lookup(ParseRef(name)); ok {
			return n, true
		}
	}
	if lower := strings.ToLower(name); lower != name {
		return g.Lookup(Ref{namespace, lower})
	}
	return None, false
}

// matchShortened tries the name, then the name without up to parts trailing "-part"s:
// the longest known prefix.
func matchShortened(g *Graph, name, namespace string, parts int) (NodeID, bool) {
	for {
		if n, ok := matchName(g, name, namespace); ok {
			return n, true
		}
		cut := strings.LastIndexByte(name, '-')
		if cut <= 0 || parts == 0 {
			return None, false
		}
		name = name[:cut]
		parts--
	}
}

// matchPrefix is the last resort for names that something was added to (cart-tls,
// reviews-v2). Generated names may end in anything but a word that makes a component of
// its own: cart-db is not cart. Names that people chose may only be variants.
func matchPrefix(g *Graph, f form, name, namespace string) (NodeID, bool) {
	for {
		cut := strings.LastIndexByte(name, '-')
		if cut <= 0 {
			return None, false
		}
		if part := name[cut+1:]; components[part] || f == plain && !isVariant(part) {
			return None, false
		}
		name = name[:cut]
		if n, ok := matchName(g, name, namespace); ok {
			return n, true
		}
	}
}

// isVariant recognises how one service's parallel deployments are told apart.
func isVariant(part string) bool {
	if len(part) > 1 && part[0] == 'v' && allDigits(part[1:]) {
		return true
	}
	return variants[part]
}

var variants = setOf(
	"canary", "stable", "blue", "green", "preview", "primary", "secondary", "replica", "master", "slave", "leader",
	"follower", "headless", "svc", "hpa", "baseline",
)

var components = setOf(
	"db", "database", "mysql", "mariadb", "postgres", "postgresql", "pg", "mongo", "mongodb", "redis", "memcached",
	"cache", "kafka", "zookeeper", "rabbitmq", "queue", "mq", "nats", "elasticsearch", "opensearch", "etcd", "minio",
	"worker", "consumer", "producer", "cron", "job", "scheduler", "exporter", "proxy", "gateway", "operator",
	"backup", "migration", "migrations", "controller", "ui", "web", "admin", "bff", "edge",
)

// matchClaim: a StatefulSet's claim is <template>-<set>-<ordinal>; where the template
// ends cannot be seen, so the graph decides.
func matchClaim(g *Graph, value, namespace string) (NodeID, bool) {
	rest := trimOrdinal(value)
	for {
		if n, ok := matchName(g, rest, namespace); ok {
			return n, true
		}
		_, after, found := strings.Cut(rest, "-")
		if !found {
			return None, false
		}
		rest = after
	}
}

// matchAddress tries the whole value, the host, then the host's first label, whose
// second may be a Kubernetes namespace. The alert's own namespace may be the prober's,
// so it is only tried first.
func matchAddress(g *Graph, value, namespace string) (NodeID, bool) {
	if n, ok := matchEither(g, value, namespace); ok {
		return n, true
	}
	h := hostOf(value)
	if h == "" {
		return None, false
	}
	if n, ok := matchEither(g, h, namespace); ok || isIP(h) {
		return n, ok
	}
	if name, ns, ok := clusterName(h); ok {
		return matchShortened(g, name, ns, generatedParts(name))
	}
	first, rest, dotted := strings.Cut(h, ".")
	if !dotted {
		return matchShortened(g, h, namespace, generatedParts(h))
	}
	second, _, _ := strings.Cut(rest, ".")
	if n, ok := matchShortened(g, first, second, generatedParts(first)); ok {
		return n, true
	}
	return matchEither(g, first, namespace)
}

func matchEither(g *Graph, name, namespace string) (NodeID, bool) {
	n, ok := matchName(g, name, namespace)
	if !ok && namespace != "" {
		n, ok = g.Lookup(Ref{Name: name})
	}
	return n, ok
}

// matchCloud reads Envoy's names: outbound|port|subset|host, or a plain one.
func matchCloud(g *Graph, value, namespace string) (NodeID, bool) {
	if strings.HasPrefix(value, "inbound|") {
		return None, false
	}
	return matchAddress(g, value[strings.LastIndexByte(value, '|')+1:], namespace)
}

// fresh is the name of the node that a value makes when the graph has none for it.
// It is zero when the value names nothing.
func (r *rule) fresh(value, namespace string) Ref {
	switch r.form {
	case pod:
		return Ref{namespace, stripPod(value)}
	case run:
		return Ref{namespace, trimOrdinal(value)}
	case claim:
		_, set, found := strings.Cut(trimOrdinal(value), "-")
		if !found {
			set = value
		}
		return Ref{namespace, set}
	case address:
		return freshAddress(value, namespace)
	case machine:
		return Ref{"", hostOf(value)}
	case arn:
		return Ref{"", lastPart(value)}
	case cloud:
		return freshAddress(value[strings.LastIndexByte(value, '|')+1:], namespace)
	default:
		return freshPlain(value, namespace)
	}
}

func freshPlain(value, namespace string) Ref {
	if ref := ParseRef(value); ref.Namespace != "" {
		return ref
	}
	return Ref{namespace, value}
}

func freshAddress(value, namespace string) Ref {
	h := hostOf(value)
	if name, ns, ok := clusterName(h); ok {
		return Ref{ns, stripPod(name)}
	}
	switch {
	case h == "" || h == "localhost" || h == "127.0.0.1" || h == "0.0.0.0":
		return Ref{}
	case strings.Contains(h, ".") || isIP(h) || isMachine(value):
		return Ref{"", h}
	default:
		return Ref{namespace, stripPod(h)}
	}
}

// hostOf is the host part of host, host:port, [v6]:port or a URL.
func hostOf(v string) string {
	if i := strings.Index(v, "://"); i >= 0 {
		v = v[i+3:]
		if at := strings.LastIndexByte(v, '@'); at >= 0 {
			v = v[at+1:]
		}
	}
	if i := strings.IndexAny(v, "/?#"); i >= 0 {
		v = v[:i]
	}
	if strings.HasPrefix(v, "[") {
		inside, _, _ := strings.Cut(v[1:], "]")
		return inside
	}
	if i := strings.IndexByte(v, ':'); i >= 0 && strings.IndexByte(v[i+1:], ':') < 0 {
		v = v[:i]
	}
	return strings.TrimSuffix(v, ".")
}

// isIP is cheap and only as exact as telling addresses from names needs: no host name's
// last label is a number.
func isIP(h string) bool {
	if strings.IndexByte(h, ':') >= 0 {
		return true
	}
	last := h[strings.LastIndexByte(h, '.')+1:]
	return last != h && allDigits(last)
}

// isMachine recognises what listens on every machine: node and Windows exporter, kubelet.
func isMachine(address string) bool {
	for _, port := range []string{":9100", ":9182", ":10250"} {
		if strings.HasSuffix(address, port) {
			return true
		}
	}
	return false
}

// clusterName reads Kubernetes' own host names, service.namespace.svc… and
// pod.service.namespace.svc….
func clusterName(h string) (name, namespace string, ok bool) {
	h, zone, found := strings.Cut(h, ".svc")
	if !found || zone != "" && zone[0] != '.' {
		return "", "", false
	}
	name, rest, _ := strings.Cut(h, ".")
	namespace = rest[strings.LastIndexByte(rest, '.')+1:]
	return name, namespace, name != "" && namespace != ""
}

// lastPart is the resource's own name at the end of a cloud id.
func lastPart(v string) string { return v[strings.LastIndexAny(v, ":/")+1:] }

// stripPod removes what Kubernetes appended to a workload's name.
func stripPod(name string) string {
	for range generatedParts(name) {
		name = name[:strings.LastIndexByte(name, '-')]
	}
	return name
}

// generatedParts counts the trailing "-part"s that Kubernetes appended: an ordinal (1),
// a replica-set hash, a job's run or both of hash and random suffix (up to 2).
func generatedParts(name string) int {
	cut := strings.LastIndexByte(name, '-')
	if cut <= 0 {
		return 0
	}
	last, rest := name[cut+1:], name[:cut]
	switch {
	case allDigits(last):
		return 1
	case len(last) == 5 && isGenerated(last):
		prev := strings.LastIndexByte(rest, '-')
		if prev > 0 && isHash(rest[prev+1:]) {
			return 2
		}
		return 1
	case isHash(last):
		return 1
	default:
		return 0
	}
}

// isHash recognises a pod-template hash or a run's number.
func isHash(s string) bool {
	return len(s) >= 6 && len(s) <= 10 && isGenerated(s) && (len(s) >= 8 || strings.ContainsAny(s, "0123456789"))
}

// isGenerated reports whether s is of the alphabet that Kubernetes draws suffixes from:
// no vowels, so that no words appear. Hashes may also be hexadecimal.
func isGenerated(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
		case c >= 'b' && c <= 'z' && c != 'e' && c != 'i' && c != 'o' && c != 'u' && c != 'y':
		default:
			return false
		}
	}
	return true
}

func trimOrdinal(name string) string {
	if cut := strings.LastIndexByte(name, '-'); cut > 0 && allDigits(name[cut+1:]) {
		return name[:cut]
	}
	return name
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

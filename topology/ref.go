package topology

import "strings"

// Ref names a service from outside a graph. Namespace may be empty, which means
// "wherever the name is unique".
type Ref struct{ Namespace, Name string }

// String is "namespace/name", or the bare name when there is no namespace.
func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Name
	}
	return r.Namespace + "/" + r.Name
}

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// ParseRef reads what [Ref.String] wrote. Only the first slash splits, and only when
// there is something on both sides of it; a name with a scheme ("https://queue/x")
// is never split, because traced graphs contain such names.
//
// A bare name that itself holds a slash cannot be told from namespace/name in
// writing; build such a Ref from its parts.
func ParseRef(s string) Ref {
	namespace, name, found := strings.Cut(s, "/")
	if !found || namespace == "" || name == "" || strings.Contains(s, "://") {
		return Ref{Name: s}
	}
	return Ref{Namespace: namespace, Name: name}
}

// ClusterRef reads Kubernetes' own host names: cart.shop.svc.cluster.local, with or
// without what follows .svc and with or without a port, is shop/cart.
func ClusterRef(host string) (Ref, bool) {
	name, namespace, ok := clusterName(hostOf(host))
	return Ref{namespace, name}, ok
}

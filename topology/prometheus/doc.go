// Package prometheus learns who calls whom, and what runs where, from the metrics in a
// Prometheus server.
//
// # Edges
//
// A [Source] asks any PromQL query that yields one sample for a caller and a callee, and
// maps the samples' labels by Prometheus's own relabelling. A [Preset] is a query and a
// mapping for what a mesh, a tracer or the kernel counts; anybody could have written it.
// The target labels are
//
//	__source__, __destination__                       the names; a sample without one is left out with a warning
//	__source_namespace__, __destination_namespace__   their namespaces
//	__source_kind__, __destination_kind__             their kinds, as topology.ParseKind reads them
//	__source_aliases__, __destination_aliases__       their other names, separated by semicolons
//	__mode__                                          the dependency's mode
//	__reporter__                                      who saw it
//
// The samples of one caller and callee are added up; those of different reporters are
// the same traffic seen twice, so the larger figure counts. A rule with action drop
// leaves a sample out without a word.
//
// # When an edge was last seen
//
// A value above zero says that the edge works now: the query is a rate, so that a counter
// that stopped moving stops being seen, and no series that lingers keeps a dead edge
// alive. A quiet hour loses no edge either: the source reports everything that moved
// within its range, with the time when it last did. At the start, and after a gap that
// is longer than the query's window, it asks for that time with
//
//	max_over_time(timestamp((query) > 0)[range:step])
//
// and otherwise remembers it, so that a refresh costs two instant queries over one
// window. The time is late by up to a step: the window, or a hundredth of the range
// where that is longer. A counter that appears with its first value has not moved; an
// edge is seen from the second request on.
//
// # Placement
//
// [Kubernetes] reads kube-state-metrics: which nodes a workload's pods are on, and in
// which zones these are. Placement is kept as a set of nodes for each workload, so that
// pods may come and go without the map changing.
//
// Every query has a deadline, every answer a limit in bytes and in edges. Nothing here
// keeps more than one entry an edge.
package prometheus

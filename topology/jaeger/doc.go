// Package jaeger learns who calls whom from Jaeger's dependencies API, which counts
// calls in the traces that were kept.
//
// Traces are sampled, so the counts are no request rates and are not reported as such.
// The API does not tell when an edge was last used, only that it was within the
// lookback; whatever is in an answer counts as seen when it was asked for. Jaeger names
// services without namespaces.
//
// One request has a deadline, and one answer a limit of 64 MiB.
package jaeger

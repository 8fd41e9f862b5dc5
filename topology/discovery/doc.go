// Package discovery asks the places that know who calls whom, and makes one graph of
// what they say.
//
// A [Source] is one such place: a file, a Prometheus with mesh metrics, a tracing
// system. Each reports whole; none needs to know of the others.
package discovery

// Package probe asks a service from outside how it is: over HTTP, TCP, gRPC, DNS or ICMP.
//
// A [Module] says how to ask and what a good answer is, in the words of
// blackbox_exporter's modules. [New] makes a [Prober] of it, which is then given a target
// and a context for each probe. A probe uses connections of its own and keeps none: what
// is tested is whether somebody new would be served.
//
// # What an answer means
//
//	passing    a good answer came in time
//	degraded   an answer came, and it was not good: a status that is not among the valid
//	           ones, a body or header that must not be so, a record that is missing
//	failing    no answer: the name is not known, the connection is refused, broken off or
//	           silent, the certificate does not hold, redirects lead nowhere; or the answer
//	           says that the service is down (gRPC's NOT_SERVING)
//	unknown    the prober itself is not able to ask: no sockets left, ICMP not allowed
//
// A message says what was wrong and, of a probe that took too long, what it was waiting
// for. It quotes nothing that the target said beyond codes and names of the protocol: a
// prober that is sent somewhere it should not look does not tell what it saw there.
//
// Nothing here schedules, counts or remembers. Probers are safe for concurrent use.
//
// # Bounds
//
// A probe ends when its context does. Of a body, [DefaultBodyLimit] is read unless the
// module says otherwise; of a TCP dialogue, as much in all. Redirects are followed ten
// times.
package probe

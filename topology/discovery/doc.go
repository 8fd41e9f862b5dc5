// Package discovery asks the places that know who calls whom, and makes one graph of
// what they say.
//
// A [Source] is one such place: files, a Prometheus with mesh metrics, a tracing
// system. Each reports whole; none needs to know of the others. What people push
// through the API is a source as well. The [Manager] asks each on its own, keeps what
// each said last, merges ([Merge]) and publishes the graph as a whole version.
//
// # Promises
//
//   - One owner. Everything that changes belongs to the goroutine of [Manager.Run];
//     readers get a [View] that never changes, so nobody sees half a version.
//   - A version is published when the graph is another one: not for newer sightings or
//     rates. Those are in the View at once, and published every half TTL, so that after
//     a restart with a source away its edges have half of their TTL left or more.
//   - What a source said stays until it says otherwise: while it is away, and across
//     restarts, since the graph in force is read back. A TTL does not run while its
//     source is away.
//   - The first version ever waits for the first answer of every source, ten seconds
//     at the longest. A source that a reload adds has the same time.
//   - A push is on the stream, or was not made.
//   - Bounded: one goroutine for each source, at most 100 pushed sources and 100
//     look-alikes; sources bound their reports.
//
// # Names
//
// Names of different sources meet, from the strongest evidence to the weakest, by
//
//  1. the same namespace and name; cart.shop.svc.cluster.local is shop/cart,
//  2. an alias that one source gives, and the name or alias that another uses,
//  3. the same name, where one of the two leaves out the namespace and it can be no other,
//  4. the labels job, service, workload and the like, where they give another name.
//
// A source is never made to call two services one that it, or a higher one, keeps
// apart. What could be meant and did not meet is reported ([LookAlike]).
package discovery

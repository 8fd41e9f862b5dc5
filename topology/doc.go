// Package topology holds an immutable, versioned dependency graph, the questions
// asked of it, and the resolver from alert labels to a service.
//
// An edge points from the one that depends to the one depended upon, so a failure
// travels against it: [Graph.Out] of a node is what it calls, [Graph.In] is who
// calls it.
//
// # Promises
//
//   - Pure. No clock, randomness, IO or logging, and no result depends on the order
//     of a Go map: the same [Spec] gives the same node ids, edges, warnings and answers.
//   - Immutable. A [Graph] never changes after [Build]; every method is safe for
//     concurrent use and blocks on nothing. A new state of the world is a new Graph,
//     so a caller swaps one pointer. Slices and pointers that a Graph or a Resolver
//     hands out are shared with it and must not be modified.
//   - Bounded. Adjacency is in compressed sparse rows: 24 bytes an edge (both
//     directions), [Graph.Out] and [Graph.In] allocate nothing. Warnings are
//     capped. Every traversal visits a node at most once (per effect, in
//     [Graph.WhatBreaks]), so cycles end like everything else.
//   - Honest about gaps. A service that only a dependency names becomes a node of
//     its own with a warning; nothing that was reported is dropped except a
//     dependency of a service on itself.
//
// Where topology comes from (a file, service-graph metrics, traces) is the business
// of the packages below this one; each of them reports whole [Spec] values.
package topology

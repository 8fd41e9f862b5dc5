// Package file reads a topology from YAML files that people write, and follows them as
// they change.
//
// # Format
//
//	services:
//	  - name: cart
//	    namespace: shop            # optional; also as name: shop/cart
//	    kind: api                  # service, frontend, api, worker, database, cache, queue, external, host, zone, cluster
//	    owner: team-cart
//	    tier: 1                    # 1 is the most critical
//	    aliases: [cart-svc]        # what others call it: mesh, traces, alerts
//	    labels: {app: cart}
//	    runs_on: [node-1, node-2]  # one of them must work
//	    runbook: https://…
//	    links: {dashboard: https://…}
//	dependencies:
//	  - {from: cart, to: redis-a, mode: hard, redundancy_group: redis}
//	redundancy_groups:
//	  - {from: cart, name: redis, need: 1}
//
// Names are bare, or namespace/name where a bare name would be ambiguous.
//
// # Promises
//
// Reading is strict: an unknown field, an unknown kind or mode, the same service or
// dependency twice, a group that cannot be satisfied are errors. Every error names
// file, line and field and says what to write instead; up to ten are reported together.
// Several files are one topology and may refer to each other. The version of a Spec is
// a digest of the files' content, so the same content is the same version everywhere.
//
// Watching never takes a good topology away: a bad file is reported and the last good
// version stays. Nothing here holds more than the files' content in memory; files over
// 64 MiB are refused.
package file

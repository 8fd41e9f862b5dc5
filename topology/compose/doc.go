// Package compose learns what depends on what from Docker Compose files.
//
//	services:
//	  cart:
//	    image: shop/cart:1.4
//	    depends_on: [redis]              # hard
//	  report:
//	    depends_on:
//	      db: {condition: service_healthy, required: false}          # soft
//	      migrate: {condition: service_completed_successfully}       # async: it has run before
//	    links: ["smtp:mail"]             # hard; mail is an alias of smtp
//	    network_mode: "service:vpn"      # hard
//	    labels:
//	      headwater.owner: team-reports
//	      headwater.tier: "2"
//
// # Labels
//
// What Compose has no word for is said by labels of the service (labels or
// deploy.labels): headwater.name, headwater.namespace, headwater.kind, headwater.owner,
// headwater.tier, headwater.runbook, headwater.link.TITLE, and headwater.ignore: "true"
// for what is no part of the map. A service without a kind gets that of its image where
// the image is a well-known one: postgres, redis, rabbitmq and the like.
//
// A service is also known by its container_name, its hostname, its aliases in networks
// and the aliases in links to it.
//
// # Promises
//
// Compose's other keys do not matter here, and what is wrong with them is Compose's to
// say; a key that is read and has a form that Compose would not take is an error with
// file and line. Several files are merged as Compose does: in order, later ones over
// earlier ones. Variables are not replaced, extends and include are not followed: the
// latter two are warnings. Nothing here depends on the order of a mapping.
package compose

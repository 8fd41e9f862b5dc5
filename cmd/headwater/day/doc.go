// Package day reads a day of an organisation's life from text: what its monitoring says and
// when, what people do, and which receivers are out of order.
//
// It is for rehearsals: `headwater rehearse` plays a day into a real server in simulated
// time. The package itself is pure; it makes of the text the requests that an Alertmanager,
// probes and a deployment pipeline would send, and the calls that operators would make.
//
// docs/rehearse.md describes the text.
package day

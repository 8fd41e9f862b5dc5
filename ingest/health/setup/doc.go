// Package setup reads what a configuration file says about probing: the keys of section
// health beside the engine's, which are checks, modules, module_files, labels, blackbox,
// prometheus, refresh_interval and concurrency.
//
// # Where a probe may go
//
// What is probed is said in the configuration file. No API call adds a target. Labels of
// services in the topology can, where health.labels is given, and then only to the hosts
// and networks that it allows: whoever can write topology, which includes whoever may
// push it over the API, could otherwise have Headwater knock at any door of its network.
// Redirects of such probes are held to the same list.
package setup

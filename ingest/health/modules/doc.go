// Package modules reads probe modules as blackbox_exporter's configuration files have
// them, so that a blackbox.yml can be pasted in or named.
//
// Keys have the names, meanings and defaults that they have there. What Headwater's own
// probes cannot do is an error that says so, and what to do instead: a check by way of a
// deployed blackbox_exporter can use any module of that one's. An unknown key is an
// error. Errors are those of topology/strictyaml, with the file and the line.
//
// [Builtin] are the modules that are there without being written down.
package modules

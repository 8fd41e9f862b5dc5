// Package settings reads what a configuration file, headwater.yaml, says about the
// engine: the sections resolve, health, correlation, paging and links. The server reads them with
// the rest of the file, a replay reads them alone, and both get the same engine.
//
// Errors are those of topology/strictyaml: all of a file at once, each as
// file:line: path: what is wrong; the way out. Nothing here logs, and nothing is safe
// for concurrent use: one [Engine] reads one file.
package settings

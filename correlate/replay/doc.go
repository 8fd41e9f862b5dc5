// Package replay runs recorded or hand-written scenarios through the engine at
// full speed, writes what it decided as result files, and scores results
// against the truth that labelled scenarios carry.
//
// # What it promises
//
// A replay is deterministic: the same scenario under the same configuration
// gives the same result, byte for byte, however many run beside it. Every
// replay starts from an empty engine; nothing is learned from another case.
// The truth of a scenario stays undecoded until somebody asks for a score, so a
// run cannot look at it.
//
// [Run] feeds the topology first, then the events, each at its own time and
// each as its own input, and lets deadlines pass at exactly the moments that
// the engine asks for. Time is simulated; no clock is read but to tell how long
// a replay took.
//
// [Files] works on as many files at once as it was told and hands the cases
// over in the order of the files. It holds at most that many cases in memory,
// plus one; a slow receiver slows it down. A file that cannot be replayed is a
// case with an error, and the others go on.
//
// A [Recorder] goes the other way: it writes the entries of a server's stream as a
// scenario, and a replay of that has the incidents that the server had.
//
// # A scenario
//
// A scenario is one JSON object. Its name is unique among those that are
// replayed together. topology lists services (name, kind, namespace, labels)
// and dependencies (from, to, mode, redundancy_group); a host or zone is a
// service that others depend on. events are in the order in which they arrive,
// each with its time (at), its type, and under the name of the type an alert
// (status, labels, annotations, startsAt, endsAt, fingerprint, generatorURL), a
// health result (service, status, latency_ms, check, message) or a change
// (service, kind, summary, at). truth is for the scorer: faults (id, kind,
// acceptable origins), alerts (instance name to the faults that caused it; none
// is noise) and meta for slicing. An alert instance is named
// <fingerprint>@<startsAt>, the start exactly as written.
//
// Recordings say more, in fields that other readers of the format pass over. An
// event may have a request (id, source, receiver, group_key, external_url,
// truncated): alerts, or results of checks, that follow one another with one id arrived
// together. Services have owner, tier, runbook, links and runs_on, the topology a version
// and redundancy_groups (from, name, need). Next to the name of a service stands its namespace,
// in dependencies from_namespace and to_namespace; a name without one is that of the service
// which is called so. Two more types of events are a command (kind, incident, actor, text, service, into,
// alerts, services, learned, record), as operators give them, and a topology, which replaces
// the one in force.
//
// # The score
//
//	F1, P, R        pairs of alerts that are together, over alerts of exactly one fault; mean over cases
//	ARI, V          adjusted Rand index and V-measure over the same alerts
//	contam          share of noise in incidents that hold alerts of a fault
//	pg/flt          opening pages for each fault
//	miss            share of faults that no paging incident holds
//	swal            share of faults found only inside another fault's incident
//	preop           share of faults whose incident noise had opened before their first alert
//	npg/cs          opening pages about nothing but noise, for each case
//	top1@1, top3@1  a true origin is first, or among the first three, on the first page
//	top1@E, top3@E  the same at the end
//	MRR@E           mean reciprocal rank of the first true origin at the end
//	Brier, ECE      error of the first origin's probability at the end
//	ttp50, ttp95    seconds from a fault's first alert to its first page: median, 95th percentile
//	compr           alert instances for each opening page
package replay

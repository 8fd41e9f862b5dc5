// Package acceptance tests the programs as users run them: the real headwater
// binary, a real Alertmanager and Prometheus, real sockets and a real disk. It has no code of
// its own beside tests.
//
// Every program listens on port 0 and says where. What has to happen is polled
// for until a deadline, nothing is slept through, and whatever was started is
// killed, also when a test fails; its log is shown then.
//
// `go test ./...` runs what takes seconds, unless -short is given. `make
// acceptance` sets the build tag "acceptance" and runs what takes minutes: the
// cascade through real Alertmanagers, the map and the story made of a real
// Prometheus's metrics, the full disk, and the kill -9 suite. That
// one obeys
//
//	HEADWATER_SEED=n           repeat the choices of an earlier run, which prints its seed
//	HEADWATER_KILL_ROUNDS=n    how often to kill; 50 without it, 5 with -short
//
// testdata/upgrade has the storage that a server of an earlier revision left; `make
// upgrade-fixture REVISION_BEFORE=…` writes it anew.
//
// A checker sees what senders and receivers see: the answers that senders got, the
// public API, and what arrived at the receivers. It shares no code with the server.
package acceptance

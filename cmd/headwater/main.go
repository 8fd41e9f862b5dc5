// Command headwater is the server: it takes alerts, health results and changes,
// works out which of them are one failure and where that began, and pages once.
//
// It is one process with an embedded stream (NATS JetStream) and an embedded
// store, or the same process beside an external NATS server. Everything it keeps
// is below --storage.path, which belongs to one process at a time.
//
// # Starting and stopping
//
// The web port answers from the first moment; until everything behind it is up,
// /-/ready and the intake say 503, so senders keep what they have and try again. A
// wrong configuration, a storage path that cannot be used and a port that is
// taken end the start with one line and a code of their own. An external NATS
// server that does not answer is waited for: a restart in any order works.
//
// SIGTERM and SIGINT stop it against the flow: it stops accepting, ends what is
// under way, commits, and closes the store last, all within [stopTimeout]. A
// second signal ends it at once, which loses nothing that was answered with 2xx.
// A part that fails for good stops the others; nothing limps on.
//
// SIGHUP, and POST /-/reload with --web.enable-lifecycle, read the configuration
// again. It is checked as a whole before anything is changed.
//
// Exit codes are part of its interface: 0 for a stop that was asked for, 1 for a
// failure, 2 for a command line or a configuration that makes no sense.
// `headwater check-config` says 1 of a configuration that is wrong, as other
// checkers do.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	promslogflag "github.com/prometheus/common/promslog/flag"
	"github.com/prometheus/common/version"

	"github.com/headwater-sre/headwater/correlate/settings"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // also: a configuration or topology that cannot be used
)

const about = `Groups a cascade of alerts into one incident with a probable origin, and pages once.

Exit codes: 0 a stop that was asked for; 1 a failure; 2 a command line, configuration or topology that makes no sense.`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errs io.Writer) int {
	cli := kingpin.New("headwater", about).UsageWriter(out).ErrorWriter(errs)
	cli.HelpFlag.Short('h')
	cli.Version(version.Print("headwater")).VersionFlag.Short('v')
	// --help and --version end here, without an error.
	finished := -1
	cli.Terminate(func(code int) { finished = code })
	logging := &promslog.Config{Writer: errs}
	promslogflag.AddFlags(cli, logging)
	logSet := false
	cli.GetFlag(promslogflag.LevelFlagName).IsSetByUser(&logSet)

	serve := registerServe(cli)
	check := registerCheck(cli)
	demo := registerDemo(cli)
	rehearse := registerRehearse(cli)
	gallery := registerGallery(cli)

	command, err := cli.Parse(args)
	if finished >= 0 {
		return finished
	}
	if err != nil {
		fmt.Fprintf(errs, "headwater: %v; try --help\n", err)
		return exitUsage
	}
	switch command {
	case check.command.FullCommand():
		return check.run(out, errs)
	case demo.command.FullCommand():
		if !logSet {
			_ = logging.Level.Set("error") // the story is what is to be seen
		}
		return demo.run(out, errs, promslog.New(logging))
	case rehearse.command.FullCommand():
		if !logSet {
			_ = logging.Level.Set("error") // the transcript is what is to be seen
		}
		return rehearse.run(out, errs, promslog.New(logging))
	case gallery.command.FullCommand():
		return gallery.run(out, errs, promslog.New(logging))
	default:
		return serve.run(errs, promslog.New(logging))
	}
}

// report prints a wrong configuration, a line for each error.
func report(w io.Writer, err error) {
	for _, line := range settings.ErrorLines(err) {
		fmt.Fprintf(w, "headwater: %s\n", line)
	}
}

// run serves until a signal or a failure.
func (f *serveFlags) run(errs io.Writer, log *slog.Logger) int {
	o, err := f.options()
	if err != nil {
		report(errs, err)
		return exitUsage
	}
	stop, reload, done := onSignals(context.Background(), log)
	defer done()
	o.reload = reload
	s := newServer(o, log)
	if err := s.run(stop); err != nil {
		log.Error("Headwater stopped", "err", err)
		return exitFailed
	}
	log.Info("See you next time!")
	return exitOK
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/headwater-sre/headwater/cmd/headwater/day"
	"github.com/headwater-sre/headwater/cmd/headwater/standin"
	"github.com/headwater-sre/headwater/correlate/page"
	"github.com/headwater-sre/headwater/ingest/reconcile"
)

// rehearseFlags is the command line of a rehearsal.
type rehearseFlags struct {
	command     *kingpin.CmdClause
	file        string
	configFile  string
	externalURL string
}

func registerRehearse(cli *kingpin.Application) *rehearseFlags {
	f := &rehearseFlags{command: cli.Command("rehearse", "Play a day from a text into a real server in simulated time, with stand-ins for the receivers, and tell who would have been paged. Leaves nothing behind. Exits with 1 when somebody was not paged who should have been, or twice.")}
	f.command.Arg("file", "The day; docs/rehearse.md describes it.").Required().StringVar(&f.file)
	f.command.Flag("config.file", "Configuration file, as the server's.").Required().PlaceHolder("FILE").StringVar(&f.configFile)
	f.command.Flag("web.external-url", "The address that links in pages begin with.").Default("http://headwater.example.org:9097").StringVar(&f.externalURL)
	return f
}

func (f *rehearseFlags) run(out, errs io.Writer, log *slog.Logger) int {
	r, err := f.prepare(out, log)
	if err != nil {
		report(errs, err)
		return exitUsage
	}
	ctx, _, done := onSignals(context.Background(), log)
	defer done()
	clean, err := r.run(ctx)
	switch {
	case err != nil:
		fmt.Fprintf(errs, "headwater: rehearse: %v\n", err)
		return exitFailed
	case !clean:
		return exitFailed
	}
	return exitOK
}

// prepare reads the files.
func (f *rehearseFlags) prepare(out io.Writer, log *slog.Logger) (*rehearsal, error) {
	text, err := os.ReadFile(f.file)
	if err != nil {
		return nil, fmt.Errorf("read the day: %w", err)
	}
	played, dayErr := day.Parse(f.file, string(text), func(path string) ([]byte, error) {
		return os.ReadFile(filepath.Join(filepath.Dir(f.file), path))
	})
	config, configErr := loadConfig(f.configFile)
	external, urlErr := url.Parse(f.externalURL)
	if err := errors.Join(dayErr, configErr, urlErr); err != nil {
		return nil, err
	}
	if !played.End.Before(time.Now()) {
		return nil, fmt.Errorf("%s: ends at %s, which is not over yet: some receivers' libraries take an end in the future for none; write an earlier date", f.file, played.End.Format(time.DateTime))
	}
	r := &rehearsal{day: played, config: config, external: external, log: log, out: newTranscript(out)}
	for i := range played.Steps {
		if o := played.Steps[i].Outage; o != nil && !slices.Contains(config.paging.Addressees(), o.Receiver) {
			return nil, fmt.Errorf("%s:%d: there is no receiver %q in %s", f.file, played.Steps[i].Line, o.Receiver, f.configFile)
		}
	}
	return r, nil
}

// rehearsal is one day that is played into a server.
type rehearsal struct {
	day      *day.Day
	config   *config
	external *url.URL
	log      *slog.Logger
	out      *transcript

	sim       *simulated
	receivers *standin.Receivers
	server    *server
}

// run plays the day, and reports whether it went well.
func (r *rehearsal) run(ctx context.Context) (clean bool, err error) {
	dir, err := os.MkdirTemp("", "headwater-rehearsal-")
	if err != nil {
		return false, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	r.sim = &simulated{clock: newSimClock(r.day.Begin)}
	if r.receivers, err = standin.New(r.config.paging.Addressees()); err != nil {
		return false, err
	}
	defer r.receivers.Close()
	stop, err := r.isolate()
	if err != nil {
		return false, err
	}
	defer stop()
	r.out.head(r.day, r.config)
	return r.perform(ctx, dir)
}

// perform runs the server while the day is played.
func (r *rehearsal) perform(ctx context.Context, dir string) (clean bool, err error) {
	addresses, noFile := []string{"127.0.0.1:0"}, ""
	r.server = newServer(serverOptions{
		config: r.config, storagePath: filepath.Join(dir, "data"), externalURL: r.external,
		web:         &web.FlagConfig{WebListenAddresses: &addresses, WebConfigFile: &noFile},
		grpcAddress: "127.0.0.1:0", simulated: r.sim,
	}, r.log)
	started := make(chan struct{})
	r.server.started = func() { close(started) }
	ended := make(chan error, 1) // one result
	serverCtx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { ended <- r.server.run(serverCtx) }()
	select {
	case <-started:
	case err := <-ended:
		return false, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		clean bool
		err   error
	}
	played := make(chan outcome, 1) // one result
	go func() {
		clean, err := newConductor(r).play(ctx)
		played <- outcome{clean, err}
	}()
	select {
	case o := <-played:
		stop()
		return o.clean, errors.Join(o.err, <-ended)
	case err := <-ended:
		cancel()
		<-played
		return false, err
	}
}

// isolate takes out of the configuration what would reach beyond this machine, or go by
// another time than the day's.
func (r *rehearsal) isolate() (stop func(), err error) {
	c := r.config
	if err := c.paging.Redirect(page.StandIns{Dial: r.receivers.Dial, Mail: r.receivers.Mail}); err != nil {
		return nil, fmt.Errorf("%s: %w", c.path, err)
	}
	r.out.leaves(c)
	c.sources, c.signals.rollouts = nil, nil
	c.probes.Checks, c.probes.Labels, c.probes.Prometheus = nil, nil, nil
	return r.playAlertmanager()
}

// playAlertmanager answers in place of the Alertmanagers of the configuration.
func (r *rehearsal) playAlertmanager() (stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen in place of an Alertmanager: %w", err)
	}
	answers := func(w http.ResponseWriter, req *http.Request) {
		body := r.day.Alertmanager.Answer(req.URL.Path, r.sim.clock.Now())
		if body == nil {
			http.NotFound(w, req)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}
	server := &http.Server{Handler: http.HandlerFunc(answers), ReadHeaderTimeout: readHeaderTimeout}
	go func() { _ = server.Serve(l) }() // until it is closed
	r.config.signals.alertmanagers = []reconcile.Alertmanager{{
		URL: "http://" + l.Addr().String(), ExternalURL: day.ExternalURL, Interval: time.Minute, Timeout: 10 * time.Second,
	}}
	return func() { _ = server.Close() }, nil
}

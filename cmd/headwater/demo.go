package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/headwater-sre/headwater/correlate/driver"
)

// demoFlags is the command line of the demo.
type demoFlags struct {
	command     *kingpin.CmdClause
	speed       float64
	keep        bool
	webAddress  string
	grpcAddress string
}

func registerDemo(cli *kingpin.Application) *demoFlags {
	f := &demoFlags{command: cli.Command("demo", "Play an outage into a real server with everything embedded, and show the page that on-call gets. Leaves nothing behind.")}
	f.command.Flag("speed", "How many times faster than the outage was, 1 to 1000.").Default("60").Float64Var(&f.speed)
	f.command.Flag("keep", "Leave the server up afterwards, to look around.").BoolVar(&f.keep)
	f.command.Flag("web.listen-address", "Web address. A free port is taken when it is in use.").Default("127.0.0.1:9097").StringVar(&f.webAddress)
	f.command.Flag("grpc.listen-address", "gRPC address. A free port is taken when it is in use.").Default("127.0.0.1:9098").StringVar(&f.grpcAddress)
	return f
}

func (f *demoFlags) run(out, errs io.Writer, log *slog.Logger) int {
	if !(f.speed >= 1 && f.speed <= 1000) {
		fmt.Fprintf(errs, "headwater: --speed=%v: write a number from 1 to 1000\n", f.speed)
		return exitUsage
	}
	ctx, _, done := onSignals(context.Background(), log)
	defer done()
	d := &demo{flags: f, screen: newScreen(out), log: log}
	if err := d.run(ctx); err != nil {
		fmt.Fprintf(errs, "headwater: demo: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// demo is one performance.
type demo struct {
	flags  *demoFlags
	screen *screen
	log    *slog.Logger

	story    *story
	clock    *storyClock
	sender   *storySender
	receiver *pageReceiver
	server   *server

	// received, unless nil, gets each page. Called from several goroutines.
	received func(receivedPage)
}

// Beyond the story's last alert.
const (
	// closing is how long the engine keeps an incident open by default, and a little more.
	closing = 10*time.Minute + 40*time.Second
	// patience is how long, by our time, the last page may take after that.
	patience = 20 * time.Second
)

func (d *demo) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "headwater-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if d.story, err = parseStory(storyFile); err != nil {
		return err
	}
	if d.receiver, err = newPageReceiver(d.showPage); err != nil {
		return err
	}
	var background sync.WaitGroup
	defer background.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	background.Go(func() { d.receiver.serve(ctx) })

	o, err := d.options(dir)
	if err != nil {
		return err
	}
	o.source = func(s driver.Source) driver.Source { return &storySource{s, d.clock} }
	// The clock starts with the server, which needs it before it takes alerts.
	d.clock = newStoryClock(time.Now().Add(settleIn), d.story.end()+closing, d.flags.speed)
	d.server = newServer(o, d.log)
	started := make(chan struct{})
	d.server.started = func() { close(started) }
	ended := make(chan struct{})
	var failure error // of the server; read after ended
	serverCtx, stopServer := context.WithCancel(context.Background())
	defer stopServer()
	go func() {
		failure = d.server.run(serverCtx)
		close(ended)
	}()
	select {
	case <-started:
		err = d.perform(ctx, ended)
	case <-ended:
	}
	stopServer()
	<-ended
	return errors.Join(err, failure)
}

// settleIn is how long the server has to come up before the story begins.
const settleIn = time.Second

// perform plays the story and shows what comes of it, unless the server ends before.
func (d *demo) perform(ctx context.Context, ended <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.sender = &storySender{
		story: d.story, clock: d.clock, base: "http://" + d.server.web.address().String(),
		tell: d.screen.narrate, flood: d.screen.flood,
	}
	d.screen.open(d)
	played := make(chan error, 1) // one result
	go func() { played <- d.sender.play(ctx) }()
	select {
	case err := <-played:
		if err != nil {
			return err
		}
	case <-ended:
		cancel()
		return <-played
	}
	if ctx.Err() == nil {
		d.screen.narrate(d.story.end(), "the last alert is over; the incident closes after ten quiet minutes")
	}
	over := d.receiver.waitOver(ctx, d.clock.ends.Add(patience))
	if ctx.Err() != nil {
		d.screen.line("\nStopped.")
		return nil
	}
	d.screen.summary(d.sender, d.receiver)
	if !over {
		return errors.New("the last page was not resolved; --log.level=info tells more")
	}
	if !d.flags.keep {
		d.screen.farewell()
		return nil
	}
	d.screen.explore(d.server)
	select {
	case <-ctx.Done():
	case <-ended:
	}
	return nil
}

// demoConfig is the whole configuration: everything else has its default.
const demoConfig = `environment: robot-shop
topology:
  files: [topology.yaml]
receivers:
  - name: oncall
    webhook_configs:
      - url: %s
        send_resolved: true
route:
  receiver: oncall
`

// options writes the demo's files and reads them as the server reads an operator's.
func (d *demo) options(dir string) (serverOptions, error) {
	path := filepath.Join(dir, "headwater.yaml")
	err := errors.Join(
		os.WriteFile(filepath.Join(dir, "topology.yaml"), storyTopology, 0o600),
		os.WriteFile(path, fmt.Appendf(nil, demoConfig, d.receiver.url()), 0o600),
	)
	if err != nil {
		return serverOptions{}, err
	}
	c, err := loadConfig(path)
	if err != nil {
		return serverOptions{}, err
	}
	addresses, noFile := []string{freeAddress(d.flags.webAddress)}, ""
	return serverOptions{
		config:      c,
		storagePath: filepath.Join(dir, "data"),
		web:         &web.FlagConfig{WebListenAddresses: &addresses, WebConfigFile: &noFile},
		grpcAddress: freeAddress(d.flags.grpcAddress),
		lifecycle:   true,
	}, nil
}

// freeAddress is the address, or one with a port that the system chooses when that
// is taken.
func freeAddress(address string) string {
	l, err := net.Listen("tcp", address)
	if err == nil {
		_ = l.Close()
		return address
	}
	host, _, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		return address // the server says what is wrong with it
	}
	return net.JoinHostPort(host, "0")
}

func (d *demo) showPage(p receivedPage) {
	if d.received != nil {
		d.received(p)
	}
	d.screen.page(d.clock.elapsed(time.Now()), p)
}

// screen writes the performance. Its methods may be called at the same time.
type screen struct {
	mu     sync.Mutex
	out    io.Writer
	colour bool
}

func newScreen(out io.Writer) *screen {
	return &screen{out: out, colour: colourful(out)}
}

// colourful reports whether w shows colours: it is a terminal and nobody asked for
// none (no-color.org).
func colourful(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Styles of a terminal, by ECMA-48.
const (
	bold   = "1"
	dim    = "2"
	red    = "1;31"
	green  = "1;32"
	yellow = "1;33"
)

func (s *screen) style(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *screen) line(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// stamp is a moment of the story, in minutes and seconds.
func stamp(d time.Duration) string {
	d = d.Round(time.Second)
	return fmt.Sprintf("%02d:%02d", d/time.Minute, d%time.Minute/time.Second)
}

func (s *screen) open(d *demo) {
	s.line("%s", s.style(bold, "Headwater demo: "+d.story.Title))
	s.line("web %s   gRPC %s", d.server.externals, d.server.grpcAddr)
	s.line("%s", s.style(dim, fmt.Sprintf("It began %s ago and plays %g times as fast as it happened, until it has caught up.\n"+
		"The stream's clock runs with it; every setting has its default. On the left: the story's minutes.",
		plural(int(d.clock.began.Sub(d.clock.zero).Round(time.Minute).Minutes()), "minute"), d.flags.speed)))
	s.line("")
}

func (s *screen) narrate(elapsed time.Duration, text string) {
	s.line("%s  %s", s.style(dim, stamp(elapsed)), text)
}

// flood shows alerts that came in.
func (s *screen) flood(elapsed time.Duration, fresh []string, firing int) {
	const most = 3
	text := strings.Join(fresh[:min(len(fresh), most)], ", ")
	if more := len(fresh) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	s.line("%s", s.style(dim, fmt.Sprintf("%s    %s firing: %s", stamp(elapsed), plural(firing, "alert"), text)))
}

// repeated are the sections that an edit need not show once more on one screen.
var repeated = []string{"Next to be hit", "Changed", "Do"}

// shown are a page's lines; of an edit, without what the opening has told.
func (p *receivedPage) shown() []string {
	var lines []string
	skip := false
	for _, l := range strings.Split(strings.TrimRight(p.Text, "\n"), "\n") {
		if !strings.HasPrefix(l, " ") {
			skip = p.Kind == kindUpdate && slices.ContainsFunc(repeated, func(label string) bool { return strings.HasPrefix(l, label+"  ") })
		}
		if !skip && l != "" {
			lines = append(lines, l)
		}
	}
	return lines
}

// page shows a page as on-call gets it.
func (s *screen) page(elapsed time.Duration, p receivedPage) {
	word, colour := "PAGE", red
	switch p.Kind {
	case kindUpdate:
		word, colour = "EDIT", yellow
	case kindResolved:
		word, colour = "OVER", green
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", s.style(dim, stamp(elapsed)), s.style(colour, word+" "+p.Incident))
	fmt.Fprintf(&b, "  %s %s\n", s.style(colour, "│"), s.style(bold, p.Title))
	for _, l := range p.shown() {
		fmt.Fprintf(&b, "  %s %s\n", s.style(colour, "│"), l)
	}
	s.line("%s", strings.TrimRight(b.String(), "\n"))
}

func (s *screen) summary(in *storySender, out *pageReceiver) {
	opened, edits, resolved := out.tally()
	s.line("\n%s", s.style(bold, fmt.Sprintf("%s in, %s out (%s, %s, %s)",
		plural(len(in.instances), "alert"), plural(opened, "page"),
		plural(opened, "opening"), plural(edits, "edit"), plural(resolved, "resolve"))))
	text := fmt.Sprintf("In %s, with %s beside them", plural(in.requests, "request"), plural(in.results, "health result"))
	if n := in.story.failures(); n > 0 {
		text += fmt.Sprintf("; %s kept failing, which pages count with the alerts", plural(n, "health check"))
	}
	s.line("%s", s.style(dim, text+"."))
}

// farewell says where to go from here.
func (s *screen) farewell() {
	s.line("%s", s.style(dim, "With --keep the server stays up, to look around. README.md tells how to point your Alertmanager here."))
}

func (s *screen) explore(srv *server) {
	s.line("\nThe server stays up until Ctrl-C. The dashboard: %s/incidents/INC-1", srv.externals)
	s.line("Without it:")
	for _, command := range []string{
		"curl -s " + srv.externals.String() + "/api/v1/incidents/INC-1",
		"go run ./cmd/hwctl --address=" + srv.grpcAddr + " incidents list --state=all",
		"go run ./cmd/hwctl --address=" + srv.grpcAddr + " incidents show INC-1",
		"go run ./cmd/hwctl --address=" + srv.grpcAddr + " topology what-breaks mysql",
		"go run ./cmd/hwctl --address=" + srv.grpcAddr + " alerts list",
		"go run ./cmd/hwctl --address=" + srv.grpcAddr + " doctor",
	} {
		s.line("  %s", command)
	}
}

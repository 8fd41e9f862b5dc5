package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The exit codes.
const (
	exitOK = iota
	exitFailed
	exitUsage
	exitUnavailable
)

const help = `Shows and steers a Headwater server, and replays recorded cascades without one.

Exit codes: 0 success; 1 something failed or was not found; 2 the command line makes no sense; 3 the server gave no answer.

Completion: eval "$(hwctl --completion-script-bash)", or --completion-script-zsh.`

// app is one invocation.
type app struct {
	// What it is run with.
	out, errs io.Writer
	now       func() time.Time
	colour    bool

	// Flags that every command has.
	output  string
	timeout time.Duration
	server  serverFlags

	cli      *kingpin.Application
	commands map[string]func(context.Context) error // by full name
}

func newApp(out, errs io.Writer, now func() time.Time, colour bool) *app {
	a := &app{out: out, errs: errs, now: now, colour: colour, commands: map[string]func(context.Context) error{}}
	a.cli = kingpin.New("hwctl", help).UsageWriter(out).ErrorWriter(errs)
	a.cli.HelpFlag.Short('h')
	a.cli.Version(version.Print("hwctl"))
	a.cli.Flag("output", "How to print: table, wide (a table with more columns and absolute times) or json (the API's messages).").
		Short('o').Default("table").EnumVar(&a.output, "table", "wide", "json")
	a.cli.Flag("timeout", "How long to wait for an answer. A watch has no limit.").Default("10s").DurationVar(&a.timeout)
	a.server.register(a.cli)
	a.addIncidents()
	a.addActionItems()
	a.addMaintenance()
	a.addExplain()
	a.addAlerts()
	a.addHealth()
	a.addTopology()
	a.addLearned()
	a.addReplay()
	a.addRecord()
	a.addIntake()
	a.addDoctor()
	a.addAudit()
	a.addStats()
	a.addConfig()
	a.addExport()
	a.addImport()
	a.command(a.cli.Command("version", "Print the version."), func(context.Context) error {
		fmt.Fprintln(a.out, version.Print("hwctl"))
		return nil
	})
	return a
}

// command says what runs when clause is chosen.
func (a *app) command(clause *kingpin.CmdClause, run func(context.Context) error) {
	a.commands[clause.FullCommand()] = run
}

// run carries out one command line and returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	name, err := a.cli.Parse(args)
	if err != nil {
		fmt.Fprintf(a.errs, "hwctl: %v\nTry hwctl --help.\n", err)
		return exitUsage
	}
	err = a.commands[name](ctx)
	if err != nil {
		a.complain(err)
	}
	return exitCode(err)
}

// usageError is a command line that parses but makes no sense.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case unavailable(err):
		return exitUnavailable
	}
	return exitFailed
}

// unavailable reports whether err means that the server gave no answer.
func unavailable(err error) bool {
	code := status.Code(err)
	return code == codes.Unavailable || code == codes.DeadlineExceeded
}

// complain tells what went wrong and, when we know it, the way out.
func (a *app) complain(err error) {
	st, remote := status.FromError(err)
	switch {
	case !remote:
		fmt.Fprintf(a.errs, "hwctl: %v\n", err)
	case unavailable(err):
		fmt.Fprintf(a.errs, "hwctl: no answer from %s: %s\n%s\n", a.server.address, clean(st.Message()), a.wayIn(st.Message()))
	case st.Code() == codes.Unauthenticated && a.server.username == "":
		fmt.Fprintln(a.errs, "hwctl: the server asks for a user; give --basic-auth.username and --basic-auth.password-file (HWCTL_USERNAME, HWCTL_PASSWORD)")
	default:
		fmt.Fprintf(a.errs, "hwctl: %s\n", clean(st.Message()))
		a.complainAboutFields(st)
	}
}

// wayIn is what to try when there was no answer.
func (a *app) wayIn(text string) string {
	switch {
	case strings.Contains(text, "failed to verify certificate"):
		return "Name the authority that signed the server's certificate with --tls.ca-file (HWCTL_TLS_CA_FILE)."
	case strings.Contains(text, "first record does not look like a TLS handshake"):
		return "The server does not speak TLS there: leave out --tls."
	case strings.Contains(text, "server preface") && !a.server.useTLS():
		return "Does the server speak TLS? Then add --tls. Or is --address (HWCTL_ADDRESS) its web port? hwctl needs the one for gRPC."
	}
	return "Is the server running, and is --address (HWCTL_ADDRESS) where it listens for gRPC?"
}

func (a *app) complainAboutFields(st *status.Status) {
	for _, detail := range st.Details() {
		bad, ok := detail.(*errdetails.BadRequest)
		if !ok {
			continue
		}
		for _, v := range bad.GetFieldViolations() {
			if v.GetDescription() != st.Message() {
				fmt.Fprintf(a.errs, "  %s: %s\n", clean(v.GetField()), clean(v.GetDescription()))
			}
		}
	}
}

// whoami is the name that commands are given in, unless the server knows better.
func whoami() string {
	for _, name := range []string{"HWCTL_ACTOR", "USER", "LOGNAME", "USERNAME"} {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// readSecret reads the first line of a file that holds a secret.
func readSecret(path string) (string, error) {
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return firstLine(string(data)), nil
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/ingest/source"
)

func (a *app) addIntake() {
	group := a.cli.Command("intake", "Try what senders send, without a server.")
	a.addIntakeTest(group.Command("test", "Show the signals that a body comes to. Nothing is sent. Exits with 1 when any of it cannot be used."))
}

// intakeTest is the command line of intake test.
type intakeTest struct {
	file, config, name, kind, contentType string
	headers                               []string
}

func (a *app) addIntakeTest(cmd *kingpin.CmdClause) {
	var t intakeTest
	cmd.Arg("body", "File with the body. Default: standard input.").StringVar(&t.file)
	cmd.Flag("source", "A source of the configuration file.").PlaceHolder("NAME").StringVar(&t.name)
	cmd.Flag("config.file", "Configuration file that names the source.").Default("headwater.yaml").StringVar(&t.config)
	kinds := slices.DeleteFunc(source.Kinds(), func(k string) bool { return k == source.KindEvents })
	cmd.Flag("kind", "A kind of sender instead of a source: "+strings.Join(kinds, ", ")+".").PlaceHolder("KIND").EnumVar(&t.kind, kinds...)
	cmd.Flag("content-type", "Content type of the request.").Default("application/json").StringVar(&t.contentType)
	cmd.Flag("header", "A header of the request, such as X-GitHub-Event=deployment_status. Repeatable.").PlaceHolder("NAME=VALUE").StringsVar(&t.headers)
	a.command(cmd, func(context.Context) error { return a.testIntake(&t) })
}

func (a *app) testIntake(t *intakeTest) error {
	s, err := t.source()
	if err != nil {
		return err
	}
	r := source.Request{ContentType: t.contentType, Received: a.now()}
	h := http.Header{}
	for _, text := range t.headers {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return usagef("--header: %q is not NAME=VALUE", text)
		}
		h.Set(name, value)
	}
	r.Header = h.Get
	if r.Body, err = readBody(t.file); err != nil {
		return err
	}
	decoded, err := s.Decode(r)
	if a.json() {
		return errors.Join(a.printSignals(decoded), err)
	}
	a.tellSignals(decoded)
	return err
}

// source is the one to decode by.
func (t *intakeTest) source() (*source.Source, error) {
	switch {
	case (t.name == "") == (t.kind == ""):
		return nil, usagef("give either --source or --kind")
	case t.kind != "":
		s, _ := source.Builtin(t.kind)
		return s, nil
	}
	sources, err := source.Load(t.config)
	if err != nil {
		return nil, fmt.Errorf("--config.file: %w", err)
	}
	names := make([]string, len(sources))
	for i, s := range sources {
		if s.Name == t.name {
			return s, nil
		}
		names[i] = s.Name
	}
	return nil, fmt.Errorf("--source: %s names no source %q; it has %s", t.config, t.name, strings.Join(names, ", "))
}

func readBody(path string) ([]byte, error) {
	if path == "" {
		return io.ReadAll(os.Stdin)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	return text, nil
}

func (a *app) tellSignals(d source.Decoded) {
	for i := range d.Replies {
		r := &d.Replies[i]
		a.tellRow("reply", r.Kind.String(), cmp.Or(r.Incident, r.Key, r.Address), r.Actor, r.Text, r.Service)
	}
	if len(d.Signals)+len(d.Replies) == 0 {
		note := d.Note
		if note == "" {
			note = "no signals"
		}
		fmt.Fprintln(a.out, clean(note))
		return
	}
	for _, sig := range d.Signals {
		switch sig := sig.(type) {
		case *correlate.AlertBatch:
			for i := range sig.Alerts {
				a.tellAlertSignal(&sig.Alerts[i], sig.Source)
			}
		case *correlate.HealthBatch:
			for i := range sig.Results {
				h := &sig.Results[i]
				a.tellRow("health", h.Service.String(), h.Status.String(), h.Check, h.Message, stamp(h.At), sig.Source)
			}
		case *correlate.Change:
			a.tellRow("change", sig.Service.String(), sig.Kind, sig.Summary, sig.Link, stamp(sig.At), sig.Source)
		}
	}
}

func (a *app) tellAlertSignal(x *correlate.Alert, sender string) {
	ends := ""
	if !x.EndsAt.IsZero() {
		ends = "ends " + stamp(x.EndsAt)
	}
	a.tellRow("alert", x.Labels["alertname"], x.Status.String(), "since "+stamp(x.StartsAt), ends, sender)
	for _, name := range sortedNames(x.Labels) {
		fmt.Fprintf(a.out, "  %s=%s\n", clean(name), clean(x.Labels[name]))
	}
	for _, name := range sortedNames(x.Annotations) {
		fmt.Fprintf(a.out, "  %s: %s\n", clean(name), clean(x.Annotations[name]))
	}
}

// tellRow prints what there is of a signal on one line.
func (a *app) tellRow(cells ...string) {
	var said []string
	for _, c := range cells {
		if c = clean(c); c != "" {
			said = append(said, c)
		}
	}
	fmt.Fprintln(a.out, strings.Join(said, "  "))
}

// stamp is a moment in UTC; empty when there is none: it is that of the arrival then.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func sortedNames(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// printSignals prints one JSON document for each alert, result and change, in the words
// of the bodies that say the same.
func (a *app) printSignals(d source.Decoded) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	for _, row := range signalRows(d) {
		if err := enc.Encode(row); err != nil {
			return fmt.Errorf("print signal: %w", err)
		}
	}
	return nil
}

func signalRows(d source.Decoded) (rows []any) {
	for i := range d.Replies {
		r := &d.Replies[i]
		rows = append(rows, map[string]any{"reply": map[string]any{
			"kind": r.Kind.String(), "incident": r.Incident, "key": r.Key, "address": r.Address, "actor": r.Actor, "text": r.Text,
		}, "source": r.Service})
	}
	for _, sig := range d.Signals {
		switch sig := sig.(type) {
		case *correlate.AlertBatch:
			for i := range sig.Alerts {
				x := &sig.Alerts[i]
				rows = append(rows, map[string]any{"alert": map[string]any{
					"status": x.Status.String(), "labels": x.Labels, "annotations": x.Annotations, "startsAt": x.StartsAt, "endsAt": x.EndsAt,
					"generatorURL": x.GeneratorURL, "fingerprint": x.Fingerprint,
				}, "source": sig.Source})
			}
		case *correlate.HealthBatch:
			for i := range sig.Results {
				h := &sig.Results[i]
				rows = append(rows, map[string]any{"health": map[string]any{
					"service": h.Service.Name, "namespace": h.Service.Namespace, "check": h.Check, "status": h.Status.String(),
					"latency_ms": float64(h.Latency) / float64(time.Millisecond), "message": h.Message, "at": h.At,
				}, "source": sig.Source})
			}
		case *correlate.Change:
			rows = append(rows, map[string]any{"change": map[string]any{
				"service": sig.Service.Name, "namespace": sig.Service.Namespace, "kind": sig.Kind, "summary": sig.Summary, "link": sig.Link, "at": sig.At,
			}, "source": sig.Source})
		}
	}
	return rows
}

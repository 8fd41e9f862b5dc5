package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func (a *app) json() bool { return a.output == "json" }
func (a *app) wide() bool { return a.output == "wide" }

// printJSON prints a message with the field names of the protos, as REST has them.
func (a *app) printJSON(m proto.Message) error {
	compact, err := compactJSON(m)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "  "); err != nil {
		return fmt.Errorf("print answer: %w", err)
	}
	fmt.Fprintln(a.out, out.String())
	return nil
}

// compactJSON is a message on one line. protojson varies its spaces on purpose;
// compacting makes the output fit for diffs.
func compactJSON(m proto.Message) ([]byte, error) {
	raw, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("print answer: %w", err)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, raw); err != nil {
		return nil, fmt.Errorf("print answer: %w", err)
	}
	return out.Bytes(), nil
}

// table aligns cells in columns.
type table struct {
	w    *tabwriter.Writer
	wide bool
}

// table begins a table. Cells after [wideOnly] are for --output=wide alone.
func (a *app) table(heads ...string) *table {
	t := &table{w: tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0), wide: a.wide()}
	t.row(heads...)
	return t
}

// wideOnly is not shown; it divides a row.
const wideOnly = "\x00wide"

func (t *table) row(cells ...string) {
	var kept []string
	for _, c := range cells {
		if c == wideOnly {
			if !t.wide {
				break
			}
			continue
		}
		if c == "" {
			c = "-"
		}
		kept = append(kept, c)
	}
	fmt.Fprintln(t.w, strings.Join(kept, "\t"))
}

func (t *table) flush() { t.w.Flush() }

// The colours. All codes have one length, so that a painted column stays aligned
// as long as every cell of it is painted, its heading too.
const (
	plain  = "39"
	red    = "31"
	green  = "32"
	yellow = "33"
	grey   = "90"
)

func (a *app) paint(colour, text string) string {
	if !a.colour {
		return text
	}
	if text == "" {
		text = "-"
	}
	return "\x1b[" + colour + "m" + text + "\x1b[" + plain + "m"
}

func severityColour(s headwaterv1.Severity) string {
	switch {
	case s >= headwaterv1.Severity_SEVERITY_ERROR:
		return red
	case s == headwaterv1.Severity_SEVERITY_WARNING:
		return yellow
	}
	return plain
}

// clean makes text from outside safe for a terminal: on one line, without
// control characters.
func clean(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || unicode.In(r, unicode.Cf)
	}), " ")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSuffix(line, "\r")
}

// enumWord is an enum value as people write it: SEVERITY_CRITICAL is "critical".
func enumWord(value fmt.Stringer, prefix string) string {
	word := strings.ToLower(strings.TrimPrefix(value.String(), prefix))
	if word == "unspecified" {
		return ""
	}
	return strings.ReplaceAll(word, "_", "-")
}

func severityWord(s headwaterv1.Severity) string { return enumWord(s, "SEVERITY_") }
func stateWord(s headwaterv1.IncidentState) string {
	return enumWord(s, "INCIDENT_STATE_")
}

func kindWord(k headwaterv1.ServiceKind) string {
	if k == headwaterv1.ServiceKind_SERVICE_KIND_UNSPECIFIED {
		return "service"
	}
	return enumWord(k, "SERVICE_KIND_")
}

// refName is "namespace/name", or the bare name. Every command accepts it.
func refName(r *headwaterv1.ServiceRef) string {
	if r.GetNamespace() == "" {
		return clean(r.GetName())
	}
	return clean(r.GetNamespace()) + "/" + clean(r.GetName())
}

func refNames(refs []*headwaterv1.ServiceRef) string {
	names := make([]string, len(refs))
	for i, r := range refs {
		names[i] = refName(r)
	}
	return strings.Join(names, ", ")
}

// percent writes a probability as pages do: it never says 0 or 100.
func percent(p float64) string {
	switch n := int(p*100 + 0.5); {
	case n < 1:
		return "<1 %"
	case n > 99:
		return ">99 %"
	default:
		return fmt.Sprintf("%d %%", n)
	}
}

// when is a moment in UTC; empty when it is unset.
func when(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().UTC().Format("2006-01-02 15:04:05Z")
}

// instant reads a time, or how long ago one was.
func (a *app) instant(text string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	ago, err := model.ParseDuration(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("want a time such as 2026-01-05T00:07:31Z, or how long ago, such as 2h; got %q", text)
	}
	return a.now().Add(-time.Duration(ago)), nil
}

// age is how long ago a moment was; empty when it is unset.
func (a *app) age(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return span(a.now().Sub(t.AsTime()))
}

// span is a duration in its two largest units.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	d = max(0, d.Round(time.Second))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Result is what a replay decided, as it is written to a file.
type Result struct {
	Incidents []Incident `json:"incidents"` // by number
	// Stats tell about the run; they are not part of the file.
	Stats Stats `json:"-"`
}

// Stats say how much a replay did.
type Stats struct {
	Events int
	Ticks  int // deadlines that passed between events and after the last
	// Span is the simulated time from the first event to the last.
	Span time.Duration
}

// Incident is one incident as it ended.
type Incident struct {
	ID       string `json:"id"`
	OpenedAt Time   `json:"opened_at"`
	// Alerts are the instances it holds at the end, in the scenario's order.
	// Alerts that the engine raised itself, from health checks, are not listed.
	Alerts  []string `json:"alerts"`
	Origins []Origin `json:"origins"` // at the end, best first
	Pages   []Page   `json:"pages"`   // as decided
	// MergedInto is the incident that it continues under; empty: none.
	MergedInto string `json:"merged_into,omitempty"`
}

// Origin is a candidate for the service at which the failure began, by the name
// that the scenario's topology gives it.
type Origin struct {
	Service     string  `json:"service"`
	Probability float64 `json:"probability"` // 0..1
}

// Page is what on-call was told, and what it said about the origin.
type Page struct {
	At      Time     `json:"at"`
	Kind    string   `json:"kind"` // open, update or resolved
	Origins []Origin `json:"origins"`
}

// Time is written in UTC with milliseconds, the resolution of result files.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// MarshalJSON writes the time as RFC 3339 with exactly three decimals.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(`"` + t.UTC().Format(timeLayout) + `"`), nil
}

// Write writes the result as JSON that people can read and diff.
func (r *Result) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(r)
}

// WriteFile writes the result to <dir>/<name>.json, whole or not at all. An
// earlier result of the same name is replaced.
func (r *Result) WriteFile(dir, name string) error {
	if !filepath.IsLocal(name) || strings.ContainsAny(name, `/\`) {
		return fmt.Errorf("write result: scenario name %q cannot be a file name", name)
	}
	var buf bytes.Buffer
	if err := r.Write(&buf); err != nil {
		return fmt.Errorf("write result %s: %w", name, err)
	}
	f, err := os.CreateTemp(dir, name+".*.tmp")
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	err = writeAndClose(f, buf.Bytes())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name+".json"))
	}
	if err != nil {
		return fmt.Errorf("write result: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

func writeAndClose(f *os.File, data []byte) error {
	_, err := f.Write(data)
	if err == nil {
		err = f.Chmod(0o644) // CreateTemp makes private files
	}
	return errors.Join(err, f.Close())
}

// ReadResult decodes a result file. Fields that it does not know are ignored:
// results of other tools are scored too.
func ReadResult(r io.Reader) (*Result, error) {
	res := &Result{}
	if err := json.NewDecoder(r).Decode(res); err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	return res, nil
}

package bus

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
	streamv1 "github.com/headwater-sre/headwater/proto/headwater/stream/v1"
	"github.com/headwater-sre/headwater/topology"
)

// generator draws any value of a type, every field of it. It is by reflection so
// that a field added to a signal later is drawn too: if the conversion forgets it,
// the round trip fails.
type generator struct {
	*rapid.T
	// full draws no empty collections, no zero times and no zero numbers.
	full bool
}

var enumSizes = map[reflect.Type]int{
	reflect.TypeFor[correlate.AlertStatus]():    int(correlate.Resolved),
	reflect.TypeFor[correlate.HealthStatus]():   int(correlate.HealthFailing),
	reflect.TypeFor[correlate.CommandKind]():    int(correlate.CommandEndMaintenance),
	reflect.TypeFor[correlate.ActionStatus]():   int(correlate.ActionDropped),
	reflect.TypeFor[correlate.ActionPriority](): int(correlate.PriorityHigh),
	reflect.TypeFor[correlate.Sev]():            int(correlate.Sev4),
	reflect.TypeFor[correlate.Status]():         int(correlate.StatusClosed),
	reflect.TypeFor[correlate.FigureKind]():     int(correlate.FigureAlerted),
	reflect.TypeFor[topology.Kind]():            len(topology.KindNames()) - 1,
	reflect.TypeFor[topology.Mode]():            len(topology.ModeNames()) - 1,
}

func (g generator) fill(v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(g.time()))
		return
	}
	if v.Type() == reflect.TypeFor[topology.Measure]() {
		v.Set(reflect.ValueOf(g.measure()))
		return
	}
	if n, ok := enumSizes[v.Type()]; ok {
		v.SetUint(uint64(rapid.IntRange(0, n).Draw(g.T, "enum")))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			g.fill(v.Field(i))
		}
	case reflect.Slice:
		if n := g.length(); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				g.fill(v.Index(i))
			}
		}
	case reflect.Map:
		if n := g.length(); n > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n {
				key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				g.fill(key)
				g.fill(value)
				v.SetMapIndex(key, value)
			}
		}
	case reflect.String:
		v.SetString(rapid.String().Draw(g.T, "string"))
		if g.full && v.Len() == 0 {
			v.SetString("x")
		}
	case reflect.Bool:
		v.SetBool(g.full || rapid.Bool().Draw(g.T, "bool"))
	case reflect.Uint64:
		v.SetUint(uint64(rapid.IntRange(g.min(), math.MaxInt32).Draw(g.T, "uint")))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(rapid.IntRange(g.min(), math.MaxInt32).Draw(g.T, "int")))
	default:
		g.Fatalf("a signal has a field of kind %s, which the generator does not know", v.Type())
	}
}

func (g generator) min() int {
	if g.full {
		return 1
	}
	return 0
}

func (g generator) length() int { return rapid.IntRange(g.min(), 4).Draw(g.T, "length") }

// measure is unknown or has a value; an unknown one has none.
func (g generator) measure() topology.Measure {
	if !g.full && rapid.Bool().Draw(g.T, "unknown") {
		return topology.Measure{}
	}
	return topology.Measured(rapid.Float64Range(0, 1e6).Draw(g.T, "measure"))
}

func (g generator) time() time.Time {
	if !g.full && rapid.Bool().Draw(g.T, "no time") {
		return time.Time{}
	}
	// 0 is no time on the wire.
	return time.Unix(0, rapid.Int64Range(1, math.MaxInt64).Draw(g.T, "ns")).UTC()
}

// signals are one empty value of each kind.
var signals = []correlate.Signal{
	&correlate.AlertBatch{}, &correlate.HealthBatch{}, &correlate.Change{},
	&correlate.Command{}, &correlate.TopologyReport{},
	correlate.Tick{},
}

func drawSignal(t *rapid.T) correlate.Signal {
	kind := reflect.TypeOf(rapid.SampledFrom(signals).Draw(t, "signal"))
	if kind.Kind() != reflect.Pointer {
		return correlate.Tick{}
	}
	v := reflect.New(kind.Elem())
	generator{T: t, full: rapid.Bool().Draw(t, "full")}.fill(v.Elem())
	return v.Interface().(correlate.Signal)
}

func TestAnySignalSurvivesTheRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawSignal(t)
		data, err := encodeEntry(want, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeEntry(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("differs (-want +got):\n%s", diff)
		}
	})
}

func TestEqualSignalsGiveEqualBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sig, now := drawSignal(t), time.Unix(1, 2)
		first, err := encodeEntry(sig, now)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // map order differs from one time to the next
			again, err := encodeEntry(sig, now)
			if err != nil || !bytes.Equal(first, again) {
				t.Fatalf("encoded differently the second time (%v)", err)
			}
		}
	})
}

// However a batch is split: nothing is lost, added or reordered, each part fits,
// and the parts' ids differ.
func TestSplittingKeepsEverythingInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := &correlate.AlertBatch{}
		generator{T: t}.fill(reflect.ValueOf(want).Elem())
		for i := range want.Alerts { // distinct, so that parts cannot be equal
			want.Alerts[i].Fingerprint = string(rune('a' + i))
		}
		now := time.Unix(1, 0)
		size := func(b correlate.AlertBatch, alerts ...correlate.Alert) int {
			b.Alerts = alerts
			data, err := encodeEntry(&b, now)
			if err != nil {
				t.Fatal(err)
			}
			return len(data)
		}
		limit := size(*want)
		for _, a := range want.Alerts {
			limit = max(limit, size(*want, a))
		}
		limit = rapid.IntRange(limit/4, limit).Draw(t, "limit")
		parts, tooLarge, err := pack(want, now, limit)
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string]bool{}
		var got []correlate.Alert
		for _, p := range parts {
			if len(p.data) > limit {
				t.Fatalf("part of %d bytes over the limit of %d", len(p.data), limit)
			}
			sig, err := decodeEntry(p.data)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, sig.(*correlate.AlertBatch).Alerts...)
			ids[p.id] = true
		}
		if len(ids) != len(parts) {
			t.Fatalf("%d parts share %d ids", len(parts), len(ids))
		}
		fit := slices.DeleteFunc(slices.Clone(want.Alerts), func(a correlate.Alert) bool {
			return !slices.ContainsFunc(got, func(b correlate.Alert) bool { return a.Fingerprint == b.Fingerprint })
		})
		if diff := cmp.Diff(fit, got); diff != "" && len(fit)+len(got) > 0 { // nil or empty is the same
			t.Fatalf("parts differ from the whole (-want +got):\n%s", diff)
		}
		if (tooLarge != nil) != (len(got) < len(want.Alerts) || len(parts) == 0) {
			t.Fatalf("%d of %d alerts packed, but the error is %v", len(got), len(want.Alerts), tooLarge)
		}
	})
}

func TestTimesBeyondTheFormatAreMovedToItsEnds(t *testing.T) {
	for name, c := range map[string]struct{ in, want time.Time }{
		"none":                 {time.Time{}, time.Time{}},
		"year 9999, as never":  {time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), maxTime.UTC()},
		"year 2, as a mistake": {time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC), minTime.UTC()},
		"another zone":         {time.Date(2026, 11, 20, 4, 0, 0, 1, time.FixedZone("CET", 3600)), time.Date(2026, 11, 20, 3, 0, 0, 1, time.UTC)},
	} {
		if got := fromNano(toNano(c.in)); got != c.want {
			t.Errorf("%s: %v became %v, want %v", name, c.in, got, c.want)
		}
	}
}

func TestWhatCannotBeReadIsRefused(t *testing.T) {
	entry := func(e *streamv1.Entry) []byte {
		data, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	alerts := func(a *streamv1.Alert) []byte {
		return entry(&streamv1.Entry{FormatVersion: 1, Signal: &streamv1.Entry_Alerts{Alerts: &streamv1.AlertBatch{Symbols: []string{"a"}, Alerts: []*streamv1.Alert{a}}}})
	}
	const firing = streamv1.AlertStatus_ALERT_STATUS_FIRING
	for name, data := range map[string][]byte{
		"nothing":          nil,
		"noise":            []byte("\xff\xff\xff"),
		"no version":       entry(&streamv1.Entry{Signal: &streamv1.Entry_Tick{}}),
		"newer version":    entry(&streamv1.Entry{FormatVersion: 2, Signal: &streamv1.Entry_Tick{}}),
		"no signal":        entry(&streamv1.Entry{FormatVersion: 1}),
		"no status":        alerts(&streamv1.Alert{}),
		"odd references":   alerts(&streamv1.Alert{Status: firing, LabelRefs: []uint32{0}}),
		"no such symbol":   alerts(&streamv1.Alert{Status: firing, AnnotationRefs: []uint32{0, 1}}),
		"no such command":  entry(&streamv1.Entry{FormatVersion: 1, Signal: &streamv1.Entry_Command{Command: &streamv1.Command{Kind: 99}}}),
		"no health status": entry(&streamv1.Entry{FormatVersion: 1, Signal: &streamv1.Entry_Health{Health: &streamv1.HealthBatch{Results: []*streamv1.HealthResult{{}}}}}),
		"no such mode":     entry(&streamv1.Entry{FormatVersion: 1, Signal: &streamv1.Entry_Topology{Topology: &streamv1.TopologyReport{Dependencies: []*streamv1.Dependency{{Mode: 9}}}}}),
	} {
		if sig, err := decodeEntry(data); err == nil {
			t.Errorf("%s: read as %#v", name, sig)
		}
	}
}

// FuzzDecodeEntry: whatever is in the stream, reading it does not panic, and what
// was read can be written and read again.
func FuzzDecodeEntry(f *testing.F) {
	now := time.Unix(1, 0)
	for _, sig := range append(slices.Clone(signals), benchBatch(2)) {
		data, err := encodeEntry(sig, now)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		sig, err := decodeEntry(data)
		if err != nil {
			return
		}
		again, err := encodeEntry(sig, now)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		got, err := decodeEntry(again)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if diff := cmp.Diff(sig, got); diff != "" {
			t.Fatalf("differs (-want +got):\n%s", diff)
		}
	})
}

func TestAnImportSurvivesTheRoundTrip(t *testing.T) {
	at := time.Unix(1700000000, 5).UTC()
	want := &correlate.Import{
		Environment: "prod", Actor: "ann", Source: "hwctl",
		Incident: &correlate.Incident{ID: "prod.INC-1", State: correlate.IncidentResolved, ResolvedAt: at, Timeline: []correlate.TimelineEntry{{At: at, Text: "opened"}}},
		Alerts:   []*correlate.AlertState{{Alert: correlate.Alert{Fingerprint: "1", StartsAt: at}, Incident: "prod.INC-1"}},
		Actions:  []*correlate.ActionItem{{ID: "prod.AI-1", Text: "mend it"}},
	}
	for _, sig := range []*correlate.Import{want, {Environment: "prod", Alerts: want.Alerts}} {
		data, err := encodeEntry(sig, at)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeEntry(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(correlate.Signal(sig), got); diff != "" {
			t.Errorf("differs (-want +got):\n%s", diff)
		}
		if kindOf(sig) != "import" {
			t.Errorf("kind %s", kindOf(sig))
		}
	}
}

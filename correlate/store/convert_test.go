package store

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/headwater-sre/headwater/correlate"
	storev1 "github.com/headwater-sre/headwater/proto/headwater/store/v1"
	"github.com/headwater-sre/headwater/topology"
)

// filler sets every field of a value to something of its own, so that a field
// which is added to a struct and forgotten in a conversion comes back empty, and
// two which are swapped come back wrong.
type filler struct{ n int64 }

func (f *filler) fill(t *testing.T, v reflect.Value) {
	f.n++
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Unix(1_700_000_000, f.n).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(t, v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(t, v.Index(0))
		f.fill(t, v.Index(1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(t, key)
			f.fill(t, value)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		v.SetString(fmt.Sprint("text ", f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(float64(f.n) + 0.5)
	case reflect.Uint8:
		v.SetUint(uint64(f.n%250) + 1)
	case reflect.Uint64:
		v.SetUint(uint64(f.n))
	case reflect.Int, reflect.Int64:
		v.SetInt(-f.n)
	default:
		t.Fatalf("a field of kind %s: teach the filler, and see whether convert.go knows it", v.Kind())
	}
}

// roundTrip takes a filled value to disk and back.
func roundTrip[R any, M any, P interface {
	*M
	proto.Message
}](t *testing.T, to func(R) P, from func(P) R,
) {
	t.Run(reflect.TypeFor[R]().String(), func(t *testing.T) {
		var want R
		new(filler).fill(t, reflect.ValueOf(&want).Elem())
		b, err := encode(to(want))
		if err != nil {
			t.Fatal(err)
		}
		m := P(new(M))
		if err := decode(b, m); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, from(m)); diff != "" {
			t.Errorf("after a round trip (-want +got):\n%s", diff)
		}
		var zero R
		if v := reflect.ValueOf(&zero).Elem(); v.Kind() == reflect.Pointer {
			v.Set(reflect.New(v.Type().Elem()))
		}
		if diff := cmp.Diff(zero, from(to(zero))); diff != "" {
			t.Errorf("zero value after a round trip (-want +got):\n%s", diff)
		}
	})
}

func TestEveryFieldSurvives(t *testing.T) {
	roundTrip(t, metaToProto, metaFromProto)
	roundTrip(t, alertToProto, alertFromProto)
	roundTrip(t, incidentToProto, incidentFromProto)
	roundTrip(t, healthToProto, func(m *storev1.HealthState) *correlate.HealthState {
		h := healthFromProto(m)
		h.Forgotten = h.Revision != 0 // the one field that never gets to disk: the row goes instead
		return h
	})
	roundTrip(t, changeStateToProto, changeStateFromProto)
	roundTrip(t, statToProto, statFromProto)
	roundTrip(t, actionItemToProto, actionItemFromProto)
	roundTrip(t, maintenanceToProto, maintenanceFromProto)
	roundTrip(t, pageToProto, pageFromProto)
	roundTrip(t, specToProto, specFromProto)
}

// An outbox entry is two rows, so it takes its own way.
func TestEveryFieldOfAnOutboxEntrySurvives(t *testing.T) {
	var want correlate.OutboxEntry
	new(filler).fill(t, reflect.ValueOf(&want).Elem())
	s := openFault(t, t.TempDir(), nil)
	d := &correlate.Delta{Meta: correlate.Meta{Pos: 1}, Pages: []*correlate.Page{want.Page}}
	if err := s.Commit(t.Context(), []*correlate.Delta{d}, true); err != nil {
		t.Fatal(err)
	}
	if err := s.RecordDelivery(t.Context(), want.Page.Key(), want.Deliveries, want.Done, want.Superseded); err != nil {
		t.Fatal(err)
	}
	got, err := s.Pages(t.Context(), want.Page.Incident.ID)
	if err != nil || len(got) != 1 {
		t.Fatalf("%d pages, %v", len(got), err)
	}
	if diff := cmp.Diff(&want, got[0]); diff != "" {
		t.Errorf("after a round trip (-want +got):\n%s", diff)
	}
}

func TestTimesAreExact(t *testing.T) {
	for name, want := range map[string]time.Time{
		"none":         {},
		"the epoch":    time.Unix(0, 0).UTC(),
		"before it":    time.Unix(-1, 1).UTC(),
		"a nanosecond": time.Unix(1_700_000_000, 1).UTC(),
	} {
		if got := timeFromNano(timeToNano(want)); !got.Equal(want) || got.IsZero() != want.IsZero() {
			t.Errorf("%s: %v became %v", name, want, got)
		}
	}
}

func TestTextThatIsNoUTF8IsRepairedAndWritten(t *testing.T) {
	bad := "caf\xc3"
	in := &correlate.Incident{
		Title:    bad,
		Gaps:     []string{"good", bad},
		Origins:  []correlate.Origin{{Service: topology.Ref{Name: bad}}},
		Timeline: []correlate.TimelineEntry{{Text: "good"}, {Text: bad}},
	}
	b, err := encode(incidentToProto(in))
	if err != nil {
		t.Fatal(err)
	}
	var m storev1.Incident
	if err := decode(b, &m); err != nil {
		t.Fatal(err)
	}
	got := incidentFromProto(&m)
	const want = "caf\uFFFD"
	if got.Title != want || got.Gaps[1] != want || got.Gaps[0] != "good" || got.Origins[0].Service.Name != want || got.Timeline[1].Text != want {
		t.Errorf("repaired to %+v", got)
	}
}

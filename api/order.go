package api

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// order is an order of incidents. Equal ones come newest first, so every order is total.
type order struct {
	field string
	desc  bool
	key   func(*correlate.Incident) int64
}

// orderFields are what incidents can be ordered by. Incidents are numbered as they are
// opened, so the number stands for opened_at and needs no second look at the clock.
var orderFields = []struct {
	name string
	key  func(*correlate.Incident) int64
}{
	{"opened_at", func(i *correlate.Incident) int64 { return int64(i.Number) }},
	{"started_at", func(i *correlate.Incident) int64 { return timeKey(i.StartedAt) }},
	{"updated_at", func(i *correlate.Incident) int64 { return timeKey(i.UpdatedAt) }},
	{"severity", func(i *correlate.Incident) int64 { return int64(i.Severity) }},
	{"incident_severity", func(i *correlate.Incident) int64 { return int64(sevRank(i)) }},
	{"alerts", func(i *correlate.Incident) int64 { return int64(i.Alerts) }},
}

// parseOrder reads an order_by of one field. Empty: newest first.
func parseOrder(s string) (order, error) {
	words := strings.Fields(s)
	if len(words) == 0 {
		words = []string{"opened_at", "desc"}
	}
	o := order{field: words[0]}
	switch {
	case strings.Contains(s, ","):
		return order{}, fmt.Errorf("%q: one field only; equal ones come newest first", s)
	case len(words) == 1, len(words) == 2 && words[1] == "asc":
	case len(words) == 2 && words[1] == "desc":
		o.desc = true
	default:
		return order{}, fmt.Errorf("%q: want a field, then \"asc\", \"desc\" or nothing", s)
	}
	names := make([]string, 0, len(orderFields))
	for _, f := range orderFields {
		if f.name == o.field {
			o.key = f.key
			return o, nil
		}
		names = append(names, f.name)
	}
	return order{}, fmt.Errorf("unknown field %q; use one of %s", o.field, strings.Join(names, ", "))
}

// newestFirst reports whether the order is the one that the store scans in.
func (o order) newestFirst() bool { return o.field == "opened_at" && o.desc }

// String is the order's canonical form.
func (o order) String() string {
	if o.desc {
		return o.field + " desc"
	}
	return o.field + " asc"
}

// place is an incident's place in an order.
type place struct {
	Key    int64  `json:"k,omitempty"`
	Number uint64 `json:"n,omitempty"`
}

func (o order) place(i *correlate.Incident) place { return place{Key: o.key(i), Number: i.Number} }

func (o order) compare(a, b place) int {
	byKey := cmp.Compare(a.Key, b.Key)
	if o.desc {
		byKey = -byKey
	}
	return cmp.Or(byKey, cmp.Compare(b.Number, a.Number))
}

// topList keeps the first limit incidents of an order among all that it is shown, in
// memory for no more than that.
type topList struct {
	order order
	limit int
	rows  []*correlate.Incident
}

func (t *topList) add(i *correlate.Incident) {
	at, _ := slices.BinarySearchFunc(t.rows, t.order.place(i), func(row *correlate.Incident, want place) int {
		return t.order.compare(t.order.place(row), want)
	})
	if at >= t.limit {
		return
	}
	if len(t.rows) == t.limit {
		t.rows = t.rows[:t.limit-1]
	}
	t.rows = slices.Insert(t.rows, at, i)
}

// timeKey orders times; an unset one comes before all others.
func timeKey(t time.Time) int64 {
	if t.IsZero() {
		return math.MinInt64
	}
	return t.UnixNano()
}

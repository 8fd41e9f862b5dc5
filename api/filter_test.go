package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
)

func TestIncidentFilter(t *testing.T) {
	open := newIncident(41)
	resolved := newIncident(40, func(i *correlate.Incident) {
		i.State, i.Severity, i.ResolvedAt = correlate.IncidentResolved, correlate.SeverityWarning, startOfTests.Add(time.Hour)
		i.Origins, i.Ack, i.Alerts = nil, &correlate.Acknowledgement{}, 20
	})
	for _, c := range []struct {
		point, filter          string
		wantOpen, wantResolved bool
	}{
		{"nothing selects everything", ``, true, true},
		{"space is nothing", "  \n", true, true},
		{"the brief's example", `state = "open" AND severity >= "error" AND origin = "mysql"`, true, false},
		{"without quotes or spaces", `state=open`, true, false},
		{"single quotes", `state='resolved'`, false, true},
		{"the API's own words for an enum", `state = INCIDENT_STATE_RESOLVED`, false, true},
		{"an enum's case does not matter", `severity = Error`, true, false},
		{"enums are ordered", `severity < error`, false, true},
		{"a service by its name", `service = cart`, true, true},
		{"a service by its full name", `service = "shop/cart"`, true, true},
		{"= is exact", `service = car`, false, false},
		{": contains, ignoring case", `service : "CAR"`, true, true},
		{"no origin matches no origin", `origin : "a"`, false, false},
		{"!= holds where there is none", `origin != "mysql"`, false, true},
		{":* is whether it is set", `resolved_at:*`, false, true},
		{"a quoted * is a star", `origin:"*"`, false, false},
		{"an unset time is not before anything", `resolved_at < "2030-01-01T00:00:00Z"`, false, true},
		{"an unset time differs", `resolved_at != 2030-01-01T00:00:00Z`, true, true},
		{"a bare time with its colons and offset", `started_at >= 2026-11-20T04:40:30+01:00`, true, false},
		{"counts are numbers", `alerts > 3`, false, true},
		{"a probability", `probability >= 0.8`, true, false},
		{"a boolean", `acknowledged = true`, false, true},
		{"NOT", `NOT state = open`, false, true},
		{"minus is NOT", `-state=open`, false, true},
		{"OR binds tighter than AND", `state = open AND alerts > 3 OR probability > 0.5`, true, false},
		{"OR binds tighter, from the left", `alerts > 3 OR probability > 0.5 AND state = open`, true, false},
		{"parentheses win", `(state = open AND alerts > 3) OR state = resolved`, false, true},
		{"AND must stand alone", `environment = prod AND (id = INC-41)`, true, false},
		{"an escaped quote", `headline : "\"" OR id = "INC-4\0"`, false, true},
	} {
		t.Run(c.point, func(t *testing.T) {
			f, err := compileFilter(incidentFields, c.filter)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.match(open); got != c.wantOpen {
				t.Errorf("open incident: got %v, want %v", got, c.wantOpen)
			}
			if got := f.match(resolved); got != c.wantResolved {
				t.Errorf("resolved incident: got %v, want %v", got, c.wantResolved)
			}
		})
	}
}

func TestFilterErrorsSayWhereAndWhatInstead(t *testing.T) {
	for _, c := range []struct{ filter, want string }{
		{`stat = "open"`, `column 1: unknown field "stat"; use one of id, state, severity`},
		{`state = "open" AND severty >= error`, `column 20: unknown field "severty"`},
		{`state = "closed"`, `column 9: state is one of open, resolved, merged, not "closed"`},
		{`state`, `column 6: want an operator (= != < <= > >= :) after state, found the end`},
		{`state = `, `column 9: want a value, found the end`},
		{`state = "open`, `column 9: this string is never closed`},
		{`(state = open`, `column 2: this parenthesis is never closed`},
		{`state = open)`, `column 13: unexpected ")"; join comparisons with AND or OR`},
		{`state = open severity = error`, `column 14: unexpected "severity = e"; join comparisons`},
		{`state = open and severity = error`, `column 14: unexpected "and severity"; join comparisons with AND or OR`},
		{`AND state = open`, `column 1: unknown field "AND"`},
		{`= open`, `column 1: want a comparison such as state = "open", found "= open"`},
		{`"mysql"`, `column 1: want a comparison such as`},
		{`origin > mysql`, `column 10: origin cannot be compared with ">"; use =, != or : (contains)`},
		{`severity : err`, `column 12: severity is one of`},
		{`severity : error`, `column 12: severity cannot be compared with ":"; use = != < <= > >=`},
		{`alerts = many`, `column 10: alerts is a number, not "many"`},
		{`started_at > yesterday`, `column 14: started_at is an RFC 3339 time such as 2026-11-20T08:00:00Z, not "yesterday"`},
		{`acknowledged = maybe`, `column 16: acknowledged is true or false, not "maybe"`},
		{`acknowledged > true`, `column 16: acknowledged cannot be compared with ">"; use = or !=`},
		{`origin = "ü" AND x = 1`, `column 18: unknown field "x"`},
		{strings.Repeat("(", 60) + "state = open", `nested deeper than 50 levels`},
		{strings.Repeat("x", 5000), `longer than 4096 bytes`},
		{"state = \xff", `not valid UTF-8`},
	} {
		_, err := compileFilter(incidentFields, c.filter)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40s\n got %v\nwant %s", c.filter, err, c.want)
		}
	}
}

func TestAlertFilterKnowsLabels(t *testing.T) {
	alert := newAlert(1, "INC-41")
	for filter, want := range map[string]bool{
		`labels.alertname = HighLatency`:             true,
		`labels.missing : "*"`:                       false,
		`labels.missing:*`:                           false,
		`fate = below-severity`:                      false,
		`fate = FATE_KIND_PAGED AND class = latency`: true,
		`incident = "INC-41" AND active = true`:      true,
		`id = 0000000000000002@2026-11-20T03:00:01Z`: true,
		`caller:*`: false,
		`labels.service = cart OR labels.service = basket`: true,
	} {
		f, err := compileFilter(alertFields, filter)
		if err != nil {
			t.Errorf("%s: %v", filter, err)
		} else if got := f.match(alert); got != want {
			t.Errorf("%s: got %v, want %v", filter, got, want)
		}
	}
}

// What a scan may narrow itself to must hold for every match.
func TestRequiredValues(t *testing.T) {
	for filter, want := range map[string]string{
		`incident = "INC-1"`:                         "INC-1",
		`active = true AND incident = "INC-1"`:       "INC-1",
		`(incident = "INC-1") AND active = true`:     "INC-1",
		`incident = "INC-1" OR incident = "INC-2"`:   "",
		`NOT incident = "INC-1"`:                     "",
		`incident : "INC-1"`:                         "",
		`incident != "INC-1"`:                        "",
		`active = true AND (NOT (incident = INC-1))`: "",
	} {
		f, err := compileFilter(alertFields, filter)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.required["incident"]; got != want {
			t.Errorf("%s: got %q, want %q", filter, got, want)
		}
	}
}

// A random expression means what its tree means.
func TestFilterAgainstItsTree(t *testing.T) {
	type tree struct {
		text string
		eval func(*correlate.Incident) bool
	}
	var expression func(t *rapid.T, depth int) tree
	expression = func(t *rapid.T, depth int) tree {
		if depth == 0 {
			n := rapid.IntRange(0, 5).Draw(t, "n")
			return tree{fmt.Sprintf("alerts > %d", n), func(i *correlate.Incident) bool { return i.Alerts > n }}
		}
		a, b := expression(t, depth-1), expression(t, depth-1)
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return tree{"(" + a.text + ") AND (" + b.text + ")", func(i *correlate.Incident) bool { return a.eval(i) && b.eval(i) }}
		case 1:
			return tree{"(" + a.text + ") OR (" + b.text + ")", func(i *correlate.Incident) bool { return a.eval(i) || b.eval(i) }}
		case 2:
			return tree{"NOT (" + a.text + ")", func(i *correlate.Incident) bool { return !a.eval(i) }}
		default:
			return a
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := expression(t, rapid.IntRange(0, 4).Draw(t, "depth"))
		f, err := compileFilter(incidentFields, want.text)
		if err != nil {
			t.Fatalf("%s: %v", want.text, err)
		}
		for n := range 7 {
			i := &correlate.Incident{Alerts: n}
			if f.match(i) != want.eval(i) {
				t.Fatalf("%s: wrong for %d alerts", want.text, n)
			}
		}
	})
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`state = "open" AND severity >= "error" AND origin = "mysql"`, `-(a:* OR started_at>2026-11-20T03:00:00Z)`,
		`labels.x = 'it\'s'`, `NOT -NOT (((state=open)))`, `service:"ü`,
	} {
		f.Add(seed)
	}
	row := newIncident(1)
	f.Fuzz(func(t *testing.T, src string) {
		compiled, err := compileFilter(incidentFields, src)
		if err != nil {
			if e, ok := err.(*filterError); !ok || e.column < 1 || e.column > len(src)+1 { //nolint:errorlint // made one call away
				t.Errorf("%q: %#v", src, err)
			}
			return
		}
		negated, err := compileFilter(incidentFields, "NOT ("+src+")")
		if err == nil && strings.TrimSpace(src) != "" && compiled.match(row) == negated.match(row) {
			t.Errorf("%q and its negation agree", src)
		}
	})
}

package correlate

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/topology"
)

func impact(name string, s Severity, alerts int) ServiceImpact {
	return ServiceImpact{Service: topology.Ref{Namespace: "shop", Name: name}, Severity: s, Alerts: alerts, Firing: alerts}
}

func suspected(name string, p float64) Origin {
	return Origin{Service: topology.Ref{Namespace: "shop", Name: name}, Probability: p}
}

func TestHeadline(t *testing.T) {
	cascade := []ServiceImpact{
		impact("shipping", SeverityCritical, 5), impact("ratings", SeverityCritical, 3), impact("web", SeverityWarning, 4), impact("cart", SeverityWarning, 2),
	}
	for _, tc := range []struct {
		name string
		inc  Incident
		want string
	}{{
		"a silent origin is named, and those it hit worst are the symptom",
		Incident{Severity: SeverityCritical, Alerts: 14, Origins: []Origin{suspected("mysql", .87), suspected("shipping", .09)}, Services: cascade},
		"[CRITICAL] mysql is the probable origin (87 %) · shipping and ratings failing · 14 alerts on 4 services",
	}, {
		"an origin with alerts of its own is not its own symptom",
		Incident{Severity: SeverityCritical, Alerts: 14, Origins: []Origin{suspected("shipping", .7)}, Services: cascade},
		"[CRITICAL] shipping is the probable origin (70 %) · ratings failing · 14 alerts on 4 services",
	}, {
		"a weak best guess is called one, and stays among the symptoms",
		Incident{Severity: SeverityError, Alerts: 9, Origins: []Origin{suspected("cart", .31)}, Unknown: .5, Services: []ServiceImpact{impact("cart", SeverityError, 4), impact("web", SeverityError, 5)}},
		"[ERROR] origin unknown (best guess cart 31 %) · cart and web failing · 9 alerts on 2 services",
	}, {
		"two rivals are named together",
		Incident{Severity: SeverityError, Alerts: 9, Origins: []Origin{suspected("mysql", .46), suspected("redis", .41)}, Services: []ServiceImpact{impact("cart", SeverityWarning, 4), impact("web", SeverityWarning, 5)}},
		"[ERROR] mysql or redis is the probable origin (46 %, 41 %) · cart and web affected · 9 alerts on 2 services",
	}, {
		"no candidate at all",
		Incident{Severity: SeverityWarning, Alerts: 2, Services: []ServiceImpact{impact("a", SeverityWarning, 1), impact("b", SeverityWarning, 1)}},
		"[WARNING] origin unknown · a and b affected · 2 alerts on 2 services",
	}, {
		"many symptoms are counted",
		Incident{Severity: SeverityCritical, Alerts: 4, Origins: []Origin{suspected("mysql", .9)}, Services: []ServiceImpact{impact("a", SeverityError, 1), impact("b", SeverityError, 1), impact("c", SeverityError, 1), impact("d", SeverityError, 1)}},
		"[CRITICAL] mysql is the probable origin (90 %) · a, b and 2 more failing · 4 alerts on 4 services",
	}, {
		"a lone alert is called by its name",
		Incident{Severity: SeverityWarning, Title: "HighLatency", Alerts: 1, Origins: []Origin{suspected("cart", .9)}, Services: []ServiceImpact{impact("cart", SeverityWarning, 1)}},
		"[WARNING] cart: HighLatency",
	}, {
		"a lone alert whose name is unknown",
		Incident{Severity: SeverityWarning, Alerts: 1, Origins: []Origin{suspected("cart", .9)}, Services: []ServiceImpact{impact("cart", SeverityWarning, 1)}},
		"[WARNING] cart affected · 1 alert",
	}, {
		"one service with several alerts needs no talk of origins",
		Incident{Severity: SeverityCritical, Alerts: 3, Origins: []Origin{suspected("cart", .9)}, Services: []ServiceImpact{impact("cart", SeverityCritical, 3)}},
		"[CRITICAL] cart failing · 3 alerts",
	}, {
		"one alert with a silent origin elsewhere tells the whole",
		Incident{Severity: SeverityError, Title: "Slow", Alerts: 1, Origins: []Origin{suspected("mysql", .6)}, Services: []ServiceImpact{impact("cart", SeverityError, 1)}},
		"[ERROR] mysql is the probable origin (60 %) · cart failing · 1 alert on 1 service",
	}, {
		"afterwards it is told in the past tense",
		Incident{State: IncidentResolved, Severity: SeverityCritical, Alerts: 14, Origins: []Origin{suspected("mysql", .87)}, Services: cascade},
		"[RESOLVED] mysql was the probable origin (87 %) · shipping and ratings failed · 14 alerts on 4 services",
	}, {
		"a merged incident says so",
		Incident{State: IncidentMerged, Alerts: 2, Origins: []Origin{suspected("cart", .9)}, Services: []ServiceImpact{impact("cart", SeverityCritical, 2)}},
		"[MERGED] cart · 2 alerts",
	}, {
		"namesakes are told apart by namespace",
		Incident{Severity: SeverityError, Alerts: 2, Origins: []Origin{suspected("api", .9)}, Services: []ServiceImpact{impact("api", SeverityError, 1), {Service: topology.Ref{Namespace: "billing", Name: "api"}, Severity: SeverityError, Alerts: 1}}},
		"[ERROR] shop/api is the probable origin (90 %) · billing/api failing · 2 alerts on 2 services",
	}, {
		"a line break in a label does not break the line",
		Incident{Severity: SeverityError, Title: "Bad\nThing", Alerts: 1, Services: []ServiceImpact{impact("ca\trt", SeverityError, 1)}},
		"[ERROR] ca rt: Bad Thing",
	}} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.inc.Headline(); got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestHeadlineWithin_DropsReachFirst(t *testing.T) {
	inc := Incident{Severity: SeverityCritical, Alerts: 14, Origins: []Origin{suspected("mysql", .87)}, Services: []ServiceImpact{impact("shipping", SeverityCritical, 14)}}
	for n, want := range map[int]string{
		200: "[CRITICAL] mysql is the probable origin (87 %) · shipping failing · 14 alerts on 1 service",
		70:  "[CRITICAL] mysql is the probable origin (87 %) · shipping failing",
		50:  "[CRITICAL] mysql is the probable origin (87 %)",
		20:  "[CRITICAL] mysql is…",
		0:   "",
	} {
		if got := inc.HeadlineWithin(n); got != want {
			t.Errorf("within %d: got %q, want %q", n, got, want)
		}
	}
}

func TestPercent_IsNeverCertain(t *testing.T) {
	for p, want := range map[float64]string{0: "<1 %", .004: "<1 %", .006: "1 %", .5: "50 %", .994: "99 %", .996: ">99 %", 1: ">99 %"} {
		if got := Percent(p); got != want {
			t.Errorf("Percent(%v) = %q, want %q", p, got, want)
		}
	}
}

func TestHeadline_IsOneBoundedLineWhateverTheLabels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inc := Incident{
			State: IncidentState(rapid.IntRange(0, 2).Draw(t, "state")), Severity: Severity(rapid.IntRange(0, 4).Draw(t, "severity")),
			Title: rapid.String().Draw(t, "title"), Alerts: rapid.IntRange(0, 99).Draw(t, "alerts"),
		}
		for range rapid.IntRange(0, 5).Draw(t, "services") {
			inc.Services = append(inc.Services, impact(rapid.String().Draw(t, "service"), Severity(rapid.IntRange(0, 4).Draw(t, "s")), rapid.IntRange(0, 3).Draw(t, "n")))
		}
		for range rapid.IntRange(0, 3).Draw(t, "origins") {
			inc.Origins = append(inc.Origins, suspected(rapid.String().Draw(t, "origin"), rapid.Float64Range(0, 1).Draw(t, "p")))
		}
		if h := inc.Headline(); h == "" || strings.ContainsFunc(h, unicode.IsControl) {
			t.Fatalf("headline %q", h)
		}
		n := rapid.IntRange(0, 150).Draw(t, "within")
		if got := len([]rune(inc.HeadlineWithin(n))); got > n {
			t.Fatalf("%d runes within %d", got, n)
		}
	})
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 0: "0 s", 119 * time.Second: "119 s", 2 * time.Minute: "2 min", 119 * time.Minute: "119 min",
		2 * time.Hour: "2 h 00 min", 26*time.Hour + 5*time.Minute: "26 h 05 min", 49 * time.Hour: "2 days",
	} {
		if got := Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
}

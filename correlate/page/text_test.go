package page

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
)

func TestText(t *testing.T) {
	for _, f := range fixtures {
		t.Run(f.name, func(t *testing.T) {
			s := NewSheet(f.page(), here)
			golden(t, "text-"+f.name, s.Title+"\n"+s.Text()+"\n=== slack\n"+s.Slack()+"\n=== markdown\n"+s.Markdown()+"\n=== quoted\n"+s.QuotedText())
		})
	}
}

func TestRender_IsTitleAndBodyWithoutLinksToNowhere(t *testing.T) {
	p := collapse()
	if got, want := Render(p), Title(p)+"\n"+Body(p, ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if strings.Contains(Render(p), "/incidents/") {
		t.Error("a page without an external URL links to the incident")
	}
}

func TestText_StaysAlignedUnderALongName(t *testing.T) {
	p := collapse()
	p.Incident.Origins[0].Service = shop("recommendation-service")
	column := 0
	for _, l := range strings.Split(NewSheet(p, here).Text(), "\n") {
		label, _, ok := strings.Cut(l, "  ")
		if !ok || strings.HasPrefix(l, "since ") {
			continue
		}
		at := len(label)
		for at < len(l) && l[at] == ' ' {
			at++
		}
		if column == 0 {
			column = at
		}
		if at != column {
			t.Errorf("text begins at %d and at %d:\n%s", column, at, l)
		}
	}
	if column == 0 {
		t.Error("no labels")
	}
}

func TestTitle_OfALoneAlertComesFromTheQuoteWhenTheIncidentHasNone(t *testing.T) {
	p := lone()
	p.Incident.Title = ""
	if got := Title(p); got != "[SEV4] cart: HighLatency" {
		t.Error(got)
	}
	if p.Incident.Title != "" {
		t.Error("the page was changed")
	}
}

func TestSince_NamesTheDayWhenItIsNotToday(t *testing.T) {
	if got := since(began, began.Add(25*time.Hour)); got != "14 Mar 03:00:12 UTC (25 h 00 min)" {
		t.Error(got)
	}
}

func TestSheet_StaysBoundedWhateverTheIncident(t *testing.T) {
	long := strings.Repeat("x<&>\n*_", 400)
	p := collapse()
	p.Reason = long
	for i := range 400 {
		name := fmt.Sprintf("service-%03d", i)
		p.Incident.Services = append(p.Incident.Services, struck(name, correlate.SeverityError, 2))
		p.Incident.NextHit = append(p.Incident.NextHit, shop(name))
		p.Incident.Changes = append(p.Incident.Changes, correlate.Change{Service: shop(name), Summary: long, Link: "https://example.org/" + strings.Repeat("y", 1000)})
		p.Incident.Gaps = append(p.Incident.Gaps, long)
		p.Incident.Runbooks = append(p.Incident.Runbooks, "https://example.org/"+name)
		p.Incident.Origins[0].Reasons = append(p.Incident.Origins[0].Reasons, correlate.Reason{Text: long, Weight: 9})
		p.Alerts = append(p.Alerts, member(name, name, "error", long))
	}
	p.Incident.Origins[0].Reasons = p.Incident.Origins[0].Reasons[3:]
	s := NewSheet(p, here)
	for name, tc := range map[string]struct{ got, most int }{
		"text":          {utf8.RuneCountInString(s.Text()), 8000},
		"text within":   {utf8.RuneCountInString(s.TextWithin(1000)), 1000},
		"slack":         {utf8.RuneCountInString(s.Slack()), maxSlackText},
		"markdown":      {utf8.RuneCountInString(s.Markdown()), maxSlackText},
		"short title":   {utf8.RuneCountInString(s.Short), 130},
		"json":          {len(s.JSON()), maxSheetBytes},
		"quoted alerts": {len(s.Quoted), maxQuoted},
	} {
		if tc.got > tc.most {
			t.Errorf("%s: %d, want at most %d", name, tc.got, tc.most)
		}
	}
	if !strings.Contains(s.HitText(), "and 398 more") || !strings.Contains(s.NextText(), "and 396 more") {
		t.Errorf("what is left out is not counted: %s; %s", s.HitText(), s.NextText())
	}
}

func TestSheetJSON_RoundTrips(t *testing.T) {
	for _, f := range fixtures {
		s := NewSheet(f.page(), here)
		back, err := parseSheet(s.JSON())
		if err != nil {
			t.Fatal(err)
		}
		if s.JSON() != back.JSON() || s.Text() != back.Text() || s.Slack() != back.Slack() {
			t.Errorf("%s: what templates read differs from what was written", f.name)
		}
	}
}

func TestSheetJSON_DropsLabelsBeforeAlerts(t *testing.T) {
	p := collapse()
	p.Alerts[0].Labels["blob"] = strings.Repeat("z", maxSheetBytes)
	var got Sheet
	if err := json.Unmarshal([]byte(NewSheet(p, here).JSON()), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Quoted) != 2 || got.Quoted[0].Labels != nil {
		t.Errorf("quoted %+v", got.Quoted)
	}
}

func TestSlack_HasNoLiveMarkupFromOutside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := collapse()
		p.Reason = rapid.String().Draw(t, "reason")
		p.Kind = correlate.PageKind(rapid.IntRange(0, 2).Draw(t, "kind"))
		p.Incident.Origins[0].Reasons[0].Text = rapid.StringOf(rapid.RuneFrom([]rune("<>&@!|a\n"))).Draw(t, "why")
		p.Incident.Changes[0].Link = rapid.StringOf(rapid.RuneFrom([]rune("<>&|a/:"))).Draw(t, "link")
		s := NewSheet(p, here)
		rest := s.Slack()
		for { // take away the links that we made; nothing with a bracket may be left
			open := strings.IndexByte(rest, '<')
			if open < 0 {
				break
			}
			end := strings.IndexByte(rest[open:], '>')
			if end < 0 || strings.Count(rest[open:open+end], "|") != 1 {
				t.Fatalf("broken link in %q", s.Slack())
			}
			rest = rest[:open] + rest[open+end+1:]
		}
		if strings.ContainsAny(rest, "<>") {
			t.Fatalf("bare bracket in %q", s.Slack())
		}
	})
}

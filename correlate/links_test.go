package correlate_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/correlate"
)

// twoLinks is a linker. People, too, have links of the first title.
type twoLinks struct{}

func (twoLinks) Links(i *correlate.Incident) []correlate.LinkTarget {
	links := []correlate.LinkTarget{{Title: "bridge", URL: "https://meet.example/" + i.ID}}
	if o := i.Origin(); o != nil {
		links = append(links, correlate.LinkTarget{Title: "graphs", URL: "https://graphs.example/" + o.Service.Name})
	}
	return links
}

// links renders an incident's links as "title url by".
func links(i *correlate.Incident) (out []string) {
	for _, l := range i.Links {
		out = append(out, l.Title+" "+l.URL+" "+l.By)
	}
	return out
}

func TestLinks_FollowTheConfigurationUnlessAPersonSaysOtherwise(t *testing.T) {
	e := newEngine(t, correlate.Config{Linker: twoLinks{}})
	at := time.Date(2026, 3, 14, 3, 0, 0, 0, time.UTC)
	pos := uint64(0)
	var row *correlate.Incident
	var paged []string
	step := func(after time.Duration, sig correlate.Signal) (rejected string) {
		pos++
		at = at.Add(after)
		d := e.Step(correlate.Input{Pos: pos, At: at, Signal: sig})
		for _, i := range d.Incidents {
			row = i
		}
		for _, p := range d.Pages {
			paged = links(&p.Incident)
		}
		return d.Rejected
	}
	link := func(title, url string) (rejected string) {
		return step(time.Second, &correlate.Command{
			Kind: correlate.CommandLink, Incident: "INC-1", Actor: "ada", Link: correlate.LinkTarget{Title: title, URL: url},
		})
	}
	want := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, links(row)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	step(0, &correlate.AlertBatch{Source: "test", Alerts: []correlate.Alert{{
		Fingerprint: "00000000000000aa", StartsAt: at, Labels: map[string]string{"alertname": "Down", "service": "cart", "severity": "critical"},
	}}})
	step(time.Minute, correlate.Tick{})
	ours := []string{"bridge https://meet.example/INC-1 ", "graphs https://graphs.example/cart "}
	want(ours...)
	if diff := cmp.Diff(ours, paged); diff != "" {
		t.Errorf("the page's links (-want +got):\n%s", diff)
	}
	if why := link("bridge", ""); why == "" {
		t.Error("a configured link was removed by hand")
	}
	link("bridge", "https://zoom.example/7")
	want("bridge https://zoom.example/7 ada", "graphs https://graphs.example/cart ")
	link("bridge", "")
	want(ours...)
}

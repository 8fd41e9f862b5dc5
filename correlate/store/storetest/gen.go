package storetest

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// Epoch is the time of position 0 in generated deltas; a position is a second.
var Epoch = time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)

// generator draws deltas that hang together as the engine's do: rows name
// incidents that exist, pages are numbered without gaps, what is archived is rarely seen again.
type generator struct {
	pos  uint64
	seqs map[uint64]uint64 // last page of each incident
	made []correlate.AlertID
}

func newGenerator() *generator { return &generator{seqs: map[uint64]uint64{}} }

// delta draws the next delta.
func (g *generator) delta(t *rapid.T) *correlate.Delta {
	g.pos += uint64(rapid.IntRange(1, 3).Draw(t, "step"))
	d := &correlate.Delta{Meta: correlate.Meta{
		Pos:             g.pos,
		Now:             g.now(),
		NextIncident:    uint64(rapid.IntRange(1, 99).Draw(t, "next incident")),
		TopologyVersion: rapid.StringMatching(`v[0-9]`).Draw(t, "version"),
	}}
	for range rapid.IntRange(0, 4).Draw(t, "alerts") {
		d.Alerts = append(d.Alerts, g.alert(t))
	}
	for _, n := range rapid.SliceOfNDistinct(rapid.Uint64Range(1, 6), 0, 3, rapid.ID).Draw(t, "incidents") {
		i := g.incident(t, n)
		d.Incidents = append(d.Incidents, i)
		if rapid.IntRange(0, 2).Draw(t, "pages") == 0 {
			g.seqs[n]++
			d.Pages = append(d.Pages, &correlate.Page{Incident: *i, Seq: g.seqs[n], At: g.now(), Reason: "because"})
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "import") == 0 {
		d.Imports = append(d.Imports, g.imported(t))
	}
	if rapid.Bool().Draw(t, "health") {
		d.Health = append(d.Health, &correlate.HealthState{
			Service:   topology.Ref{Namespace: g.name(t), Name: g.name(t)},
			Check:     g.name(t),
			Failures:  rapid.IntRange(0, 9).Draw(t, "failures"),
			At:        g.now(),
			Forgotten: rapid.IntRange(0, 2).Draw(t, "forgotten") == 0,
			Revision:  g.pos,
		})
	}
	if rapid.Bool().Draw(t, "change") {
		d.Changes = append(d.Changes, &correlate.ChangeState{
			Change:   correlate.Change{Kind: "deploy", Summary: g.text(t), At: g.now()},
			Pos:      rapid.Uint64Range(1, g.pos).Draw(t, "change"),
			Archived: rapid.Bool().Draw(t, "archived"),
		})
	}
	if rapid.Bool().Draw(t, "past") {
		n := rapid.Uint64Range(1, 6).Draw(t, "past incident")
		d.Past = append(d.Past, &correlate.Past{
			Incident: fmt.Sprint("INC-", n), Number: n, EndedAt: g.now(), EndedBy: g.text(t),
			Services:  []topology.Ref{{Namespace: g.name(t), Name: g.name(t)}},
			Forgotten: rapid.IntRange(0, 2).Draw(t, "past forgotten") == 0,
		})
	}
	if rapid.Bool().Draw(t, "stat") {
		d.Stats = append(d.Stats, correlate.Stat{Key: "spoke/" + g.name(t), Count: float64(g.pos * rapid.Uint64Range(0, 1).Draw(t, "seen")), At: g.now()})
	}
	if rapid.IntRange(0, 4).Draw(t, "topology") == 0 {
		d.Topology = &topology.Spec{
			Version:  fmt.Sprint("t", g.pos),
			Services: []topology.Service{{Name: "web", Labels: map[string]string{"text": g.text(t)}}, {Name: "db"}},
			Dependencies: []topology.Dependency{
				{From: topology.Ref{Name: "web"}, To: topology.Ref{Name: "db"}},
			},
		}
	}
	return d
}

func (g *generator) now() time.Time { return Epoch.Add(time.Duration(g.pos) * time.Second) }

func (g *generator) alert(t *rapid.T) *correlate.AlertState {
	a := &correlate.AlertState{
		Alert: correlate.Alert{
			Fingerprint: g.name(t),
			Labels:      map[string]string{"alertname": "Down", "text": g.text(t)},
			StartsAt:    Epoch.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "start")) * time.Hour),
		},
		Revision: g.pos,
		Archived: rapid.IntRange(0, 3).Draw(t, "archived") == 0,
	}
	if n := rapid.IntRange(0, 6).Draw(t, "incident"); n > 0 {
		a.Incident = fmt.Sprint("INC-", n)
	}
	g.made = append(g.made, a.ID())
	return a
}

func (g *generator) incident(t *rapid.T, number uint64) *correlate.Incident {
	return &correlate.Incident{
		ID:        fmt.Sprint("INC-", number),
		Number:    number,
		Title:     g.text(t),
		StartedAt: g.now(),
		Archived:  rapid.IntRange(0, 4).Draw(t, "archived") == 0,
		Revision:  g.pos,
	}
}

// imported draws an incident of another environment with alerts that may be known.
func (g *generator) imported(t *rapid.T) *correlate.Import {
	id := correlate.ImportedID(rapid.SampledFrom([]string{"prod", "dev"}).Draw(t, "environment"), fmt.Sprint("INC-", rapid.IntRange(1, 3).Draw(t, "imported")))
	number, _ := correlate.IncidentNumber(id)
	im := &correlate.Import{Incident: g.incident(t, number)}
	im.Incident.ID, im.Incident.Archived = id, true
	for range rapid.IntRange(0, 2).Draw(t, "imported alerts") {
		a := g.alert(t)
		a.Incident, a.Archived = id, true
		im.Alerts = append(im.Alerts, a)
	}
	return im
}

// name draws from a few names, awkward ones among them, so that rows meet again.
func (g *generator) name(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "ab", "b", "a\x00", "a\x00b", "\x00", "é", "ÿ", strings.Repeat("long", 100)}).Draw(t, "name")
}

// text draws mostly short texts, rarely one beyond the size of one entry, and
// more rarely one that makes a commit exceed one transaction.
func (g *generator) text(t *rapid.T) string {
	n := rapid.SampledFrom([]int{0, 3, 20}).Draw(t, "size")
	switch rapid.IntRange(0, 99).Draw(t, "large") {
	case 98:
		n = 300 << 10
	case 99:
		n = 1300 << 10
	}
	return strings.Repeat(string(rune('a'+g.pos%26)), n)
}

package correlate_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
)

// Each owner hears at most once of an incident, by a page or by a notice, and only of what
// would be worth a page.
func TestNotices_EachOwnerHearsOnceAndNotOfWhatIsSilenced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := newEngine(t, correlate.Config{Notices: true})
		quoted := correlate.Config{}.WithDefaults().MaxPageAlerts
		told, paged := map[string][]string{}, map[string]string{}
		for _, in := range drawHistory(t) {
			for _, p := range e.Step(in).Pages {
				id := p.Incident.ID
				if p.Kind == correlate.PageOpen {
					paged[id] = p.Incident.RouteLabels()["owner"]
				}
				for _, owner := range p.Owners {
					switch {
					case p.Kind != correlate.PageNotice:
						t.Fatalf("%s: page %d is a %s, and for owners", id, p.Seq, p.Kind)
					case slices.Contains(told[id], owner):
						t.Fatalf("%s: %s got a second notice", id, owner)
					case owner == paged[id]:
						t.Fatalf("%s: %s was paged and got a notice", id, owner)
					// As the page quotes them: within its step, the input may have ended or moved them since.
					case len(p.Alerts) < quoted && !slices.ContainsFunc(p.Alerts, func(a correlate.AlertState) bool { return suffers(&p.Incident, &a, owner) }):
						t.Fatalf("%s: %s got a notice, and nothing of it fires that is not silenced", id, owner)
					}
					told[id] = append(told[id], owner)
				}
			}
		}
	})
}

func suffers(i *correlate.Incident, a *correlate.AlertState, owner string) bool {
	return a.Active() && a.Muted == "" && slices.ContainsFunc(i.Services, func(s correlate.ServiceImpact) bool { return s.Service == a.Service && s.Owner == owner })
}

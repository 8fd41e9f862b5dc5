//go:build acceptance

package acceptance

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// kills is one incident on its way through every state, whose server is killed with
// SIGKILL at each of them.
type kills struct {
	t      *testing.T
	place  *site
	pager  *pagerduty
	lead   *pagerduty
	hook   *collector
	server *headwater
}

const killedCell = "killed"

// start starts a server with other settings on what the one before it left.
func (k *kills) start(correlation, escalation string) *headwater {
	k.t.Helper()
	write(k.t, k.place.config, fmt.Sprintf(`
environment: kills
topology: {files: [topology.yaml]}
correlation: %s
%s
receivers:
  - name: oncall
    webhook_configs: [{url: "%s/", send_resolved: true}]
    pagerduty_configs: [{routing_key: x, url: "%s/v2/enqueue"}]
  - name: lead
    pagerduty_configs: [{routing_key: y, url: "%s/v2/enqueue"}]
route: {receiver: oncall}
`, correlation, escalation, k.hook.URL, k.pager.URL, k.lead.URL))
	k.server = k.place.start(k.t)
	return k.server
}

// killed waits until the incident is as wanted, kills the server, starts it once more with
// the same settings, and wants to be told the same.
func (k *kills) killed(name string, wanted func(*pb.Incident) error) {
	k.t.Helper()
	k.server.await(k.t, killedCell, wanted)
	k.server.settled(k.t)
	before, heard := k.server.await(k.t, killedCell, wanted), k.heard()
	k.server.kill()
	k.server = k.place.start(k.t)
	after := k.server.await(k.t, killedCell, func(*pb.Incident) error { return nil })
	if diff := cmp.Diff(before, after, protocmp.Transform(), protocmp.IgnoreFields(before, "updated_at", "revision")); diff != "" {
		k.t.Errorf("%s: the incident is another one after a kill (-before +after):\n%s", name, diff)
	}
	if diff := cmp.Diff(heard, k.heard()); diff != "" {
		k.t.Errorf("%s: a receiver heard something again (-before +after):\n%s", name, diff)
	}
}

// heard is what receivers were sent so far.
func (k *kills) heard() (all []string) {
	for _, n := range k.hook.all() {
		all = append(all, n.incident()+" "+n.kind())
	}
	for _, p := range []*pagerduty{k.pager, k.lead} {
		opens, folded, resolves := 0, 0, 0
		for _, c := range p.all() {
			opens, folded, resolves = opens+c.opens, folded+c.folded, resolves+c.resolves
		}
		all = append(all, fmt.Sprintf("PagerDuty: %d opened, %d folded, %d resolved", opens, folded, resolves))
	}
	return all
}

func statusIs(want pb.IncidentStatus) func(*pb.Incident) error {
	return func(i *pb.Incident) error { return expect(i.GetStatus(), want, "status") }
}

// Killed at each transition an incident comes back exactly as it was, no page comes
// twice, and none is missing. What waits, waits for ten years, so that nothing here
// depends on how fast the machine is; what follows is brought about by other settings.
func TestAcceptanceKilledAtEachTransition(t *testing.T) {
	const (
		patient = "{hold: 10y, hold_confident: 10y, hold_critical: 10y, settle: 100ms, close_after: 10y, reopen_within: 10y}"
		opening = "{hold: 200ms, hold_confident: 200ms, hold_critical: 200ms, settle: 100ms, close_after: 10y, reopen_within: 10y}"
		closing = "{hold: 200ms, hold_confident: 200ms, hold_critical: 200ms, settle: 100ms, close_after: 200ms, reopen_within: 10y}"
		calling = "paging: {escalation: [{steps: [{after: 1s, when: unacknowledged, to: [lead]}]}]}"
	)
	topology := (&world{cells: []*cell{{name: killedCell}}}).topology()
	k := &kills{t: t, place: newSite(t, "", topology), pager: newPagerduty(t, nil), lead: newPagerduty(t, nil), hook: newCollector(t)}
	say := func(to pb.IncidentStatus, note string) {
		c := k.server.people(t)
		i := k.server.await(t, killedCell, func(*pb.Incident) error { return nil })
		c.do(c.incidents.SetIncidentStatus(t.Context(), &pb.SetIncidentStatusRequest{Id: i.GetId(), Status: to, Actor: "ann", Note: note}))
	}

	k.start(patient, "").fire(t, killedCell, "api")
	k.killed("held", func(i *pb.Incident) error { return expect(i.GetPaging().GetDueAt() != nil, true, "a page is due") })

	k.server.kill()
	k.start(opening, "").fire(t, killedCell, "web") // with which the hold is reckoned anew
	k.killed("opened", func(i *pb.Incident) error { return expect(openings(i), 1, "opening pages") })

	k.server.kill()
	k.start(opening, calling).fire(t, killedCell, "cart")
	k.killed("escalated", func(i *pb.Incident) error {
		return expect(count(i, pb.PageKind_PAGE_KIND_ESCALATE), 1, "escalations")
	})

	c := k.server.people(t)
	id := k.server.await(t, killedCell, func(*pb.Incident) error { return nil }).GetId()
	c.do(c.incidents.AcknowledgeIncident(t.Context(), &pb.AcknowledgeIncidentRequest{Id: id, Actor: "ann", Note: "looking"}))
	k.killed("acknowledged", func(i *pb.Incident) error { return expect(i.GetAcknowledgement().GetActor(), "ann", "who has it") })

	for _, to := range []pb.IncidentStatus{
		pb.IncidentStatus_INCIDENT_STATUS_INVESTIGATING, pb.IncidentStatus_INCIDENT_STATUS_IDENTIFIED, pb.IncidentStatus_INCIDENT_STATUS_MITIGATING,
	} {
		say(to, "")
		k.killed(to.String(), statusIs(to))
	}

	k.server.endAll(t)
	k.killed("its resolve held", func(i *pb.Incident) error {
		if i.GetQuietSince() == nil {
			return fmt.Errorf("%d alerts fire", i.GetFiring())
		}
		return expect(i.GetState(), pb.IncidentState_INCIDENT_STATE_OPEN, "state")
	})

	k.server.kill()
	k.start(closing, calling).fire(t, killedCell, "db") // with whose end the wait is reckoned anew
	k.server.await(t, killedCell, func(i *pb.Incident) error { return expect(i.GetFiring(), int32(1), "firing alerts") })
	k.server.endAll(t)
	k.killed("resolved", statusIs(pb.IncidentStatus_INCIDENT_STATUS_RESOLVED))
	say(pb.IncidentStatus_INCIDENT_STATUS_CLOSED, "a rollback")
	k.killed("closed", statusIs(pb.IncidentStatus_INCIDENT_STATUS_CLOSED))

	k.server.kill()
	k.start(opening, "").fireAt(t, killedCell, "api", time.Now())
	k.killed("reopened", func(i *pb.Incident) error { return expect(openings(i), 2, "opening pages") })

	k.server.kill()
	k.start(closing, "").endAll(t)
	k.killed("resolved again", statusIs(pb.IncidentStatus_INCIDENT_STATUS_RESOLVED))
	k.judge()
}

// judge looks at what the receivers heard on the whole. To on-call, who has the page, the
// escalation is an edit.
func (k *kills) judge() {
	k.t.Helper()
	if got, want := k.hook.kinds(), []string{"INC-1 open", "INC-1 resolved", "INC-1 open", "INC-1 resolved"}; !cmp.Equal(got, want) {
		k.t.Errorf("the webhook heard %v, want %v", got, want)
	}
	for name, p := range map[string]*pagerduty{"oncall": k.pager, "lead": k.lead} {
		opens := 0
		for _, c := range p.all() {
			opens += c.opens
			if c.open || c.resolves != c.opens || c.orphans > 0 {
				k.t.Errorf("PagerDuty of %s: %+v, want each ring to have ended", name, c)
			}
		}
		if want := map[string]int{"oncall": 2, "lead": 1}[name]; opens != want {
			k.t.Errorf("PagerDuty of %s rang %d times, want %d", name, opens, want)
		}
	}
}

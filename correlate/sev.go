package correlate

import (
	"fmt"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/topology"
)

// Sev is how bad an incident is for the business, SEV1 the worst: what people call,
// staff and report by. [Severity] is what the rules of its alerts say.
type Sev uint8

// The severities of incidents.
const (
	SevUnset Sev = iota // only in rows that were stored before there were any
	Sev1
	Sev2
	Sev3
	Sev4
)

var sevNames = [...]string{"unspecified", "SEV1", "SEV2", "SEV3", "SEV4"}

// String returns "SEV1" to "SEV4".
func (s Sev) String() string { return nameOf(sevNames[:], int(s)) }

// ParseSev reads "SEV2", "sev2" or "2".
func ParseSev(text string) (Sev, error) {
	for s := Sev1; s <= Sev4; s++ {
		if digit := s.String()[3:]; text == digit || strings.EqualFold(text, s.String()) {
			return s, nil
		}
	}
	return SevUnset, fmt.Errorf("severity %q: want SEV1, SEV2, SEV3 or SEV4", text)
}

// SevStatement is an operator's word about how bad an incident is.
type SevStatement struct {
	Sev  Sev
	At   time.Time
	By   string
	Note string // may be empty
}

const (
	// wideFrom is from how many services hit an incident is one step worse.
	wideFrom = 5
	// vitalTier and worse are one step worse, when nothing better than minorTier is hit one step less bad.
	vitalTier, minorTier = 1, 3
)

// grade derives how bad an incident is, and says why. docs/incidents.md tells the same:
// SEV2 with a critical alert, SEV3 with an error, else SEV4; one step worse when a service
// of tier 1 is hit, one worse from wideFrom services on, and one less bad when all that is
// hit is of tier 3 or lower. A service without a tier counts as one of tier 2.
func (e *Engine) grade(row *Incident) (Sev, string) {
	sev := Sev4
	switch row.Severity {
	case SeverityCritical:
		sev = Sev2
	case SeverityError:
		sev = Sev3
	case SeverityNone, SeverityInfo, SeverityWarning:
	}
	why := row.Severity.String() + " alerts on " + plural(len(row.Services), "service")
	vital, minor := e.tiersOf(row.Services)
	switch {
	case !vital.IsZero():
		sev--
		why += fmt.Sprintf(", %s is of tier %d", e.short(vital), vitalTier)
	case minor:
		sev++
		why += fmt.Sprintf(", none above tier %d", minorTier)
	}
	if len(row.Services) >= wideFrom {
		sev--
	}
	return max(Sev1, min(sev, Sev4)), why
}

// tiersOf finds the first service of tier 1 among hit, and whether all are of little importance.
func (e *Engine) tiersOf(hit []ServiceImpact) (vital topology.Ref, minor bool) {
	minor = len(hit) > 0
	for i := range hit {
		tier := e.nodes.tier(e.nodes.id(hit[i].Service))
		if tier == vitalTier && vital.IsZero() {
			vital = hit[i].Service
		}
		minor = minor && tier >= minorTier
	}
	return vital, minor
}

// regrade brings the severity in line with the evidence, or with an operator's word.
func (e *Engine) regrade(inc *incident) {
	sev, why := e.grade(inc.row)
	said := inc.row.SetSev
	if said != nil {
		sev, why = said.Sev, withText("set by "+said.By, said.Note)
	}
	was := inc.row.Sev
	if sev == was && why == inc.row.SevWhy {
		return
	}
	row := e.editIncident(inc)
	row.Sev, row.SevWhy = sev, why
	if sev != was && was != SevUnset && said == nil {
		e.note(inc, TimelineSeverity, "", fmt.Sprintf("severity is now %s, was %s: %s", sev, was, why))
	}
}

// setSev takes an operator's word, or with SevUnset withdraws it.
func (e *Engine) setSev(inc *incident, c *Command) string {
	switch {
	case c.Sev > Sev4:
		return fmt.Sprintf("there is no severity %s; it is SEV1 to SEV4", c.Sev)
	case c.Sev == SevUnset && inc.row.SetSev == nil:
		return fmt.Sprintf("the severity of %s was not set by anybody", inc.row.ID)
	case c.Sev == SevUnset:
		e.editIncident(inc).SetSev = nil
		e.note(inc, TimelineSeverity, c.Actor, withText("severity left to the evidence again", c.Text))
	default:
		was := inc.row.Sev
		e.editIncident(inc).SetSev = &SevStatement{Sev: c.Sev, At: e.meta.Now, By: actorOr(c.Actor), Note: c.Text}
		e.note(inc, TimelineSeverity, c.Actor, withText(fmt.Sprintf("severity set to %s, was %s", c.Sev, was), c.Text))
	}
	e.regrade(inc)
	return ""
}

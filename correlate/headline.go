package correlate

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/headwater-sre/headwater/topology"
)

const (
	// probableAt is the probability from which one origin is named alone.
	probableAt = 0.5
	// rivalAt and pairAt: below probableAt, two candidates are named together when
	// the second has at least rivalAt and both have at least pairAt.
	rivalAt, pairAt = 0.25, 0.7
	// headlineServices is how many failing services a headline names.
	headlineServices = 2
)

// Headline is the incident in one line, in the order a tired person needs it:
// severity (or the state, once it is over), origin, symptom, reach.
//
//	[SEV1] mysql is the probable origin (87 %) · shipping and ratings failing · 14 alerts on 6 services
//	[SEV1] mysql is the origin (set by oncall) · shipping and ratings failing · 14 alerts on 6 services
//	[SEV3] origin unknown (best guess cart 31 %) · web failing · 9 alerts on 4 services
//	[SEV4] cart: HighLatency
//
// A lone alert is called by its name when [Incident.Title] holds that name.
// Headline is pure; it holds no line break and no control character.
func (i *Incident) Headline() string {
	return strings.Join(i.headlineParts(), " · ")
}

// HeadlineWithin is [Incident.Headline] in at most n runes: parts are left out
// from the end, reach first, before anything is cut in the middle.
func (i *Incident) HeadlineWithin(n int) string {
	parts := i.headlineParts()
	for len(parts) > 1 && len([]rune(strings.Join(parts, " · "))) > n {
		parts = parts[:len(parts)-1]
	}
	r := []rune(strings.Join(parts, " · "))
	if len(r) <= n {
		return string(r)
	}
	if n < 1 {
		return ""
	}
	return string(r[:n-1]) + "…"
}

// headlineParts are the headline's parts, the most important first.
func (i *Incident) headlineParts() []string {
	tag := "[" + i.tag() + "] "
	if i.confined() {
		return i.confinedParts(tag)
	}
	parts := []string{tag + i.originPhrase()}
	if s := i.symptomPhrase(); s != "" {
		parts = append(parts, s)
	}
	return append(parts, i.reach())
}

func (i *Incident) tag() string {
	switch {
	case i.State != IncidentOpen:
		return strings.ToUpper(i.State.String())
	case i.Sev != SevUnset:
		return i.Sev.String()
	}
	return strings.ToUpper(i.Severity.String())
}

// confined reports whether the incident is one service in trouble of its own,
// so that to speak of an origin would be empty words.
func (i *Incident) confined() bool {
	o := i.Origin()
	return len(i.Services) == 1 && (o == nil || o.Service == i.Services[0].Service)
}

func (i *Incident) confinedParts(tag string) []string {
	name := printable(i.Services[0].Service.Name)
	if strings.HasPrefix(name, topology.UnmappedPrefix) && i.Title != "" {
		return []string{tag + printable(i.Title) + " (its labels name no service)"}
	}
	if i.Alerts == 1 && i.Title != "" {
		return []string{tag + name + ": " + printable(i.Title)}
	}
	if i.State != IncidentOpen {
		return []string{tag + name, count(i.Alerts, "alert")}
	}
	return []string{tag + name + " " + failing(i.Severity), count(i.Alerts, "alert")}
}

func (i *Incident) originPhrase() string {
	o := i.Origin()
	if o == nil {
		return "origin unknown"
	}
	name, is := i.Names(), "is"
	if i.State != IncidentOpen {
		is = "was"
	}
	if i.originSet() {
		return fmt.Sprintf("%s %s the origin (set by %s)", name(o.Service), is, printable(i.SetOrigin.By))
	}
	if o.Probability >= probableAt {
		return fmt.Sprintf("%s %s the probable origin (%s)", name(o.Service), is, Percent(o.Probability))
	}
	if len(i.Origins) > 1 {
		rival := &i.Origins[1]
		if rival.Probability >= rivalAt && o.Probability+rival.Probability >= pairAt {
			return fmt.Sprintf("%s or %s %s the probable origin (%s, %s)", name(o.Service), name(rival.Service), is, Percent(o.Probability), Percent(rival.Probability))
		}
	}
	return fmt.Sprintf("origin unknown (best guess %s %s)", name(o.Service), Percent(o.Probability))
}

// OriginKnown reports whether the headline commits itself to the best candidate.
func (i *Incident) OriginKnown() bool {
	o := i.Origin()
	return o != nil && o.Probability >= probableAt
}

// symptomPhrase names the services, other than a named origin, that are hit worst.
func (i *Incident) symptomPhrase() string {
	var worst Severity
	var hit []topology.Ref
	for _, s := range i.Services {
		if s.Alerts == 0 || i.OriginKnown() && s.Service == i.Origin().Service {
			continue
		}
		if s.Severity > worst {
			worst, hit = s.Severity, nil
		}
		if s.Severity == worst {
			hit = append(hit, s.Service)
		}
	}
	if len(hit) == 0 {
		return ""
	}
	verb := failing(worst)
	if i.State != IncidentOpen {
		verb = map[string]string{"failing": "failed", "affected": "were affected"}[verb]
		if verb == "were affected" && len(hit) == 1 {
			verb = "was affected"
		}
	}
	return i.list(hit) + " " + verb
}

// list names the first services and counts the others.
func (i *Incident) list(refs []topology.Ref) string {
	name := i.Names()
	var shown []string
	for _, r := range refs[:min(len(refs), headlineServices)] {
		shown = append(shown, name(r))
	}
	if more := len(refs) - len(shown); more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(shown, ", "), more)
	}
	return strings.Join(shown, " and ")
}

func (i *Incident) reach() string {
	services := 0
	for _, s := range i.Services {
		if s.Alerts > 0 {
			services++
		}
	}
	return count(i.Alerts, "alert") + " on " + count(services, "service")
}

// Names returns a function that names a service as briefly as is unambiguous
// inside the incident: the bare name, or namespace/name when two share it.
func (i *Incident) Names() func(topology.Ref) string {
	space := make(map[string]string) // name → namespace
	shared := make(map[string]bool)
	see := func(r topology.Ref) {
		if ns, ok := space[r.Name]; ok && ns != r.Namespace {
			shared[r.Name] = true
		}
		space[r.Name] = r.Namespace
	}
	for _, s := range i.Services {
		see(s.Service)
	}
	for _, o := range i.Origins {
		see(o.Service)
	}
	for _, r := range i.NextHit {
		see(r)
	}
	return func(r topology.Ref) string {
		if shared[r.Name] {
			return printable(r.String())
		}
		return printable(r.Name)
	}
}

// Percent writes a probability for people. It never says 0 or 100: we do not know that much.
func Percent(p float64) string {
	switch n := math.Round(p * 100); {
	case n < 1 || math.IsNaN(p):
		return "<1 %"
	case n > 99:
		return ">99 %"
	default:
		return fmt.Sprintf("%d %%", int(n))
	}
}

// Span writes a duration as people say it: "45 s", "4 min", "3 h 05 min", "12 days".
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}

func failing(s Severity) string {
	if s >= SeverityError {
		return "failing"
	}
	return "affected"
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// printable keeps what came from a label on one line.
func printable(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }), " ")
}

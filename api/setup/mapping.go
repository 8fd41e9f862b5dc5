package setup

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

const (
	// maxRules bounds the relabelling rules that are proposed at a time.
	maxRules = 3
	// maxLabelSets bounds the label sets that rules are tried on.
	maxLabelSets = 500
	// maxSeen bounds the evidence that is told one by one.
	maxSeen = 5
)

// labelSet is alerts that differ in nothing but when they fired.
type labelSet struct {
	labels map[string]string
	alerts int
	last   time.Time
	// service is what they name, although the graph does not have it; zero: nothing.
	service topology.Ref
	edge    bool // they are about calls to it
}

// mapping finds alerts that name no service of the graph.
func (e *examination) mapping() {
	lost, found := e.labelSets(e.lost), e.labelSets(e.found)
	if len(lost) == maxLabelSets || len(found) == maxLabelSets {
		e.note("relabelling was tried on the %d most frequent label sets", maxLabelSets)
	}
	var calls []labelSet // what is called is not in the graph: no label is misread
	for i := len(lost) - 1; i >= 0; i-- {
		if lost[i].edge || outside(lost[i].service.Name) {
			calls = append(calls, lost[i])
			lost = slices.Delete(lost, i, i+1)
		}
	}
	for range maxRules {
		p, ok := e.Resolver.Propose(e.Graph, labelsOf(lost), labelsOf(found))
		if !ok {
			break
		}
		var mapped, rest []labelSet
		for i, s := range lost {
			if slices.Contains(p.Maps, i) {
				mapped = append(mapped, s)
			} else {
				rest = append(rest, s)
			}
		}
		e.add("unmapped alerts", relabelling(&p, mapped))
		lost = rest
	}
	e.nameless(slices.DeleteFunc(slices.Clone(lost), func(s labelSet) bool { return !s.service.IsZero() }))
	e.strangers(append(calls, slices.DeleteFunc(lost, func(s labelSet) bool { return s.service.IsZero() })...))
}

// labelSets are the alerts by their labels, the most frequent first.
func (e *examination) labelSets(alerts []*correlate.AlertState) []labelSet {
	sets := map[string]*labelSet{}
	for _, a := range alerts {
		key := labelText(a.Labels, len(a.Labels))
		if sets[key] == nil {
			sets[key] = &labelSet{labels: a.Labels}
			if res := e.Resolver.Resolve(e.Graph, a.Labels); res.Mapped {
				sets[key].service, sets[key].edge = res.Service, res.Edge
			}
		}
		sets[key].alerts++
		sets[key].last = later(sets[key].last, a.LastSeen)
	}
	var out []labelSet
	for _, key := range sortedKeys(sets, cmp.Compare[string]) {
		out = append(out, *sets[key])
	}
	slices.SortStableFunc(out, func(a, b labelSet) int { return cmp.Compare(b.alerts, a.alerts) })
	return out[:min(len(out), maxLabelSets)]
}

func labelsOf(sets []labelSet) []map[string]string {
	out := make([]map[string]string, len(sets))
	for i := range sets {
		out[i] = sets[i].labels
	}
	return out
}

// labelText is a label set as Prometheus writes it, the alert's name first, at most so many labels.
func labelText(labels map[string]string, most int) string {
	var b strings.Builder
	b.WriteString(labels["alertname"] + "{")
	told := 0
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if k == "alertname" {
			continue
		}
		if told == most {
			b.WriteString(", …")
			break
		}
		if told > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s=%q", k, labels[k])
		told++
	}
	return b.String() + "}"
}

// maxLabels bounds the labels of one alert that are told.
const maxLabels = 8

// seen are label sets as evidence.
func seen(sets []labelSet) []Evidence {
	var out []Evidence
	for _, s := range sets[:min(len(sets), maxSeen)] {
		out = append(out, Evidence{Text: labelText(s.labels, maxLabels), Count: s.alerts, Last: s.last})
	}
	if more := sets[len(out):]; len(more) > 0 {
		rest := Evidence{Text: fmt.Sprintf("%s more", plural(len(more), "label set"))}
		for _, s := range more {
			rest.Count += s.alerts
			rest.Last = later(rest.Last, s.last)
		}
		out = append(out, rest)
	}
	return out
}

func alertsIn(sets []labelSet) (n int) {
	for _, s := range sets {
		n += s.alerts
	}
	return n
}

func relabelling(p *topology.Proposal, sets []labelSet) Finding {
	var names []string
	for _, ref := range p.Services {
		names = append(names, ref.String())
	}
	severity, caution := Error, ""
	if len(names) == 1 {
		severity, caution = Warning, fmt.Sprintf("It is one name only, so see first whether %s says what alerts are about. ", p.Label)
	}
	return Finding{
		Kind: UnmappedAlerts, Severity: severity, Subject: "label " + p.Label,
		Title:    fmt.Sprintf("%s %s only in label %s what %s about", plural(alertsIn(sets), "alert"), verb(alertsIn(sets), "says", "say"), p.Label, verb(alertsIn(sets), "it is", "they are")),
		Evidence: seen(sets),
		Why:      "They are taken for services of their own: they join no incident, and the graph explains nothing of them.",
		Remedy: caution + fmt.Sprintf("Have the label read. The rule was tried on the alerts that came: it maps them to %s, and leaves all others as they are. "+
			"Where there is a section resolve already, add the rule at the end of its relabel_configs.", listed(names, 8)),
		Snippet: &Snippet{Target: configFile, Text: "resolve:\n  relabel_configs:\n" + p.YAML},
	}
}

// nameless tells of alerts of which no label names anything, and no rule was found for.
func (e *examination) nameless(sets []labelSet) {
	if len(sets) == 0 {
		return
	}
	e.add("unmapped alerts", Finding{
		Kind: UnmappedAlerts, Severity: Warning, Subject: "labels",
		Title:    fmt.Sprintf("%s %s no service", plural(alertsIn(sets), "alert"), verb(alertsIn(sets), "names", "name")),
		Evidence: seen(sets),
		Why:      "They are taken for services of their own: they join no incident, and the graph explains nothing of them.",
		Remedy:   "No label has values that the graph knows. Add a label service to the rules, or a relabelling rule that says which service they are about; hwctl intake test tries a body without sending it.",
		Snippet: &Snippet{Target: ruleFile, Placeholders: true, Text: fmt.Sprintf(
			"# rule %s\n    labels:\n      service: NAME-IN-THE-TOPOLOGY\n", quoted(sets[0].labels["alertname"]))},
	})
}

// strangers tells of services that alert and are not in the graph.
func (e *examination) strangers(sets []labelSet) {
	by := map[topology.Ref][]labelSet{}
	for _, s := range sets {
		if !outside(s.service.Name) { // which is a finding of its own
			by[s.service] = append(by[s.service], s)
		}
	}
	order := sortedKeys(by, func(a, b topology.Ref) int {
		return cmp.Or(cmp.Compare(alertsIn(by[b]), alertsIn(by[a])), cmp.Compare(a.String(), b.String()))
	})
	if e.Graph.Len() == 0 {
		return // said as one thing: there is no topology
	}
	var out []Finding
	for _, ref := range order {
		out = append(out, Finding{
			Kind: UnknownService, Severity: Warning, Subject: ref.String(),
			Title:    fmt.Sprintf("%s alerts, and the graph does not have it", ref),
			Evidence: seen(by[ref]),
			Why:      "Its alerts stand alone: nothing says what it depends on or who depends on it.",
			Remedy: "List it with what it depends on. If the graph has it under another name, give that service this name as an alias instead. " +
				"If it is none of your services, a relabelling rule that maps it to the one it is about helps.",
			Snippet: &Snippet{Target: topologyFile, Placeholders: true, Text: fmt.Sprintf(
				"services:\n  - {name: %[1]s%[2]s}\ndependencies:\n  - {from: %[3]s, to: WHAT-IT-CALLS}\n", quoted(ref.Name), namespaceKey(ref.Namespace), quoted(ref.String()))},
		})
	}
	e.add("services that the graph does not have", out...)
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// listed puts names in a row, at most so many.
func listed(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// quoted is a text as YAML has it, in quotes where it needs them.
func quoted(s string) string {
	plain := strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-") == "" && s != "" &&
		s[0] != '-' && strings.Trim(s, "0123456789.") != ""
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		plain = false
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

func namespaceKey(namespace string) string {
	if namespace == "" {
		return ""
	}
	return ", namespace: " + quoted(namespace)
}

package setup

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
)

// outlet names one integration.
type outlet struct {
	receiver, name string
	index          int
}

func (o outlet) String() string {
	if o.index > 0 {
		return fmt.Sprintf("%s/%s[%d]", o.receiver, o.name, o.index)
	}
	return o.receiver + "/" + o.name
}

// sent is what the outbox says of one integration.
type sent struct {
	pages, refused int
	last           time.Time // delivered
	failed         string    // the latest error
	failedAt       time.Time // when the page that met it was decided
}

// outbox sums up deliveries by integration.
func (e *examination) outbox() map[outlet]*sent {
	all := map[outlet]*sent{}
	for _, entry := range e.Pages {
		for i := range entry.Deliveries {
			d := &entry.Deliveries[i]
			key := outlet{d.Receiver, d.Integration, d.Index}
			if all[key] == nil {
				all[key] = &sent{}
			}
			all[key].take(entry.Page.At, d)
		}
	}
	return all
}

func (s *sent) take(at time.Time, d *correlate.Delivery) {
	switch {
	case !d.SentAt.IsZero():
		s.pages++
		s.last = later(s.last, d.SentAt)
	case d.LastError != "":
		s.refused++
		if at.After(s.failedAt) {
			s.failed, s.failedAt = d.LastError, at
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

const exampleReceiver = `receivers:
  - name: oncall
    webhook_configs:
      - url: https://oncall.example.org/hook
        send_resolved: true
route:
  receiver: oncall
`

func (e *examination) paging() {
	if e.Paging.LogOnly {
		e.logOnly()
		return
	}
	for _, name := range e.Paging.Empty {
		e.add("receivers without integrations", Finding{
			Kind: EmptyReceiver, Severity: Warning, Subject: name,
			Title:  fmt.Sprintf("Receiver %s has nothing to send with", name),
			Why:    "A route leads to it, so the pages of that route reach nobody.",
			Remedy: "Give the receiver an integration. If it means \"nobody\" on purpose, this is as you want it.",
			Snippet: &Snippet{Target: configFile, Placeholders: true, Text: fmt.Sprintf(
				"# receivers: the entry %[1]s\n  - name: %[1]s\n    webhook_configs:\n      - url: https://oncall.example.org/hook\n        send_resolved: true\n", name)},
		})
	}
	delivered := e.outbox()
	for _, in := range e.Paging.Integrations {
		e.receiver(&in, delivered[outlet{in.Receiver, in.Name, in.Index}])
	}
}

func (e *examination) logOnly() {
	f := Finding{
		Kind: LogOnly, Severity: Error, Subject: "receivers",
		Title:    "Pages go to the log and to nobody",
		Evidence: []Evidence{{Text: "the configuration has neither receivers nor route"}},
		Why:      "Incidents are found and judged, and no one is told.",
		Remedy:   "Add a receiver; Alertmanager's receivers and route can be pasted as they are. The url is yours.",
		Snippet:  &Snippet{Target: configFile, Text: exampleReceiver, Placeholders: true},
	}
	opened := Evidence{Text: "pages were only logged"}
	for _, p := range e.Pages {
		if p.Page.Kind == correlate.PageOpen {
			opened.Count++
			opened.Last = later(opened.Last, p.Page.At)
		}
	}
	if opened.Count > 0 {
		f.Evidence = append(f.Evidence, opened)
	}
	e.add("receivers", f)
}

func (e *examination) receiver(in *Integration, got *sent) {
	name := outlet{in.Receiver, in.Name, in.Index}.String()
	if got == nil {
		got = &sent{}
	}
	switch {
	case in.Error != "" || got.pages == 0 && got.refused > 0:
		e.add("failing receivers", failing(name, in, got))
	case got.pages == 0:
		e.add("untried receivers", Finding{
			Kind: UntriedReceiver, Severity: Hint, Subject: name,
			Title:   fmt.Sprintf("No page has gone to %s yet", name),
			Why:     "Whether its address and its secret are right will show in the first outage.",
			Remedy:  "Send a test alert. It pages whoever the route leads to, and ends by itself after five minutes.",
			Snippet: &Snippet{Target: shell, Text: fmt.Sprintf(testAlert, testAlertName, e.anyService())},
		})
	}
	if !in.SendResolved {
		e.add("receivers", Finding{
			Kind: ResolvesNotSent, Severity: Hint, Subject: name,
			Title:   fmt.Sprintf("%s is not told when an incident is over", name),
			Why:     "What it shows stays open until somebody closes it by hand.",
			Remedy:  fmt.Sprintf("Set send_resolved: true on the integration, unless %s cannot close what it opened.", in.Name),
			Snippet: &Snippet{Target: configFile, Text: fmt.Sprintf("# receivers: %s, %s_configs\n        send_resolved: true\n", in.Receiver, in.Name)},
		})
	}
}

// testAlertName is the alert by which receivers are tried.
const testAlertName = "HeadwaterTest"

const testAlert = `curl -sS -H 'Content-Type: application/json' http://127.0.0.1:9097/api/v2/alerts -d '[{"labels": {"alertname": %q, "service": %q, "severity": "critical"}}]'
`

// anyService is a service for a test alert: one of the graph, when there is any.
func (e *examination) anyService() string {
	for n := range topology.NodeID(e.Graph.Len()) {
		if !place(e.Graph.Service(n).Kind) && !strings.Contains(e.Graph.Name(n), "'") {
			return e.Graph.Name(n)
		}
	}
	return "test"
}

func failing(name string, in *Integration, got *sent) Finding {
	f := Finding{
		Kind: FailingReceiver, Severity: Error, Subject: name,
		Title:  fmt.Sprintf("%s does not take pages", name),
		Why:    "Whoever it pages hears nothing. Headwater keeps trying for three days; a page that was refused is tried again at once after a reload.",
		Remedy: "Mend what the error says, then reload: kill -HUP, or POST /-/reload.",
	}
	if err := cmp.Or(in.Error, got.failed); err != "" {
		f.Evidence = append(f.Evidence, Evidence{Text: "it says: " + err, Last: later(in.FailingSince, got.failedAt)})
	}
	if got.refused > 0 {
		f.Evidence = append(f.Evidence, Evidence{Text: "pages not delivered", Count: got.refused, Last: got.failedAt})
	}
	if got.pages > 0 {
		f.Evidence = append(f.Evidence, Evidence{Text: "pages delivered before", Count: got.pages, Last: got.last})
	} else {
		f.Evidence = append(f.Evidence, Evidence{Text: "nothing was ever delivered to it"})
	}
	return f
}

// sortedKeys are the keys of a map, by the order of compare.
func sortedKeys[K comparable, V any](m map[K]V, compare func(a, b K) int) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compare)
	return keys
}

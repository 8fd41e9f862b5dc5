package driver

import (
	"context"
	"log/slog"

	"github.com/headwater-sre/headwater/correlate"
)

// incidents remembers the state of each incident that is not archived, to tell
// what a new row of it means.
type incidents map[uint64]correlate.IncidentState

func incidentsOf(s *correlate.Snapshot) incidents {
	m := incidents{}
	for _, i := range s.Incidents {
		m[i.Number] = i.State
	}
	return m
}

func (m incidents) open() int {
	n := 0
	for _, state := range m {
		if state == correlate.IncidentOpen {
			n++
		}
	}
	return n
}

// note takes a new row and says in a word what happened; "" for nothing but an update.
func (m incidents) note(i *correlate.Incident) string {
	was, known := m[i.Number]
	m[i.Number] = i.State
	if i.Archived {
		delete(m, i.Number)
	}
	switch {
	case !known && i.State == correlate.IncidentOpen:
		return "opened"
	case !known || was == i.State:
		return ""
	case i.State == correlate.IncidentOpen:
		return "reopened"
	}
	return i.State.String()
}

// report logs and counts what a committed delta decided.
func (l *loop) report(d *correlate.Delta) {
	for _, i := range d.Incidents {
		event := l.incidents.note(i)
		if event == "" {
			l.log.Debug("incident updated", "incident", i.ID, "position", d.Meta.Pos)
			continue
		}
		l.metrics.events.WithLabelValues(event).Inc()
		l.log.Info("incident changed state", incidentAttrs(i, event, d.Meta.Pos)...)
	}
	for _, p := range d.Pages {
		l.metrics.pages.WithLabelValues(p.Kind.String()).Inc()
		l.log.Info("page decided", "incident", p.Incident.ID, "kind", p.Kind.String(), "seq", p.Seq, "reason", p.Reason, "position", d.Meta.Pos)
	}
	if d.Rejected != "" {
		l.metrics.rejected.Inc()
		l.log.Info("entry was not carried out", "position", d.Meta.Pos, "reason", d.Rejected)
	}
	if d.Topology != nil && d.Topology.Version != l.graph { // else only who saw what when is new
		l.graph = d.Topology.Version
		l.log.Info("topology changed", "version", d.Topology.Version, "services", len(d.Topology.Services),
			"dependencies", len(d.Topology.Dependencies), "position", d.Meta.Pos)
	}
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("entry applied", "position", d.Meta.Pos, "alerts", len(d.Alerts), "incidents", len(d.Incidents), "pages", len(d.Pages))
	}
}

func incidentAttrs(i *correlate.Incident, event string, pos uint64) []any {
	attrs := []any{"incident", i.ID, "event", event, "severity", i.Severity.String(), "alerts", i.Alerts, "position", pos}
	if o := i.Origin(); o != nil {
		attrs = append(attrs, "origin", o.Service.String(), "probability", o.Probability)
	}
	if i.MergedInto != "" {
		attrs = append(attrs, "into", i.MergedInto)
	}
	return attrs
}

package correlate

import "time"

// Worthy reports whether an alert like this is worth a page by itself, while it fires. One that
// somebody silenced, that is in maintenance, that another alert speaks for or that an operator detached is not, though it
// is evidence like any other. c must have its defaults, see [Config.WithDefaults].
func (c *Config) Worthy(s *AlertState) bool {
	return s.Muted == "" && s.Maintenance == "" && s.Detached == "" && c.pages(s.Severity) && (s.Class != ClassChore || s.Severity > SeverityWarning)
}

// WorthyOnArrival says of an alert that no engine has seen what the engine would say of it if it
// came at a time: whether it would count as evidence and be [Config.Worthy]. c must have its
// defaults. Safe for concurrent use.
func (c *Config) WorthyOnArrival(a *Alert, at time.Time) bool {
	row := AlertState{Severity: ParseSeverity(a.Labels["severity"])}
	row.Muted = a.Muted
	if a.Status != Firing || row.Severity == SeverityNone || c.chronic(a.StartsAt, at) || !c.Worthy(&row) {
		return false
	}
	classifier := c.Classifier
	if classifier == nil {
		classifier = DefaultClassifier()
	}
	row.Class = classifier.Class(a) // last, because it costs most
	return c.Worthy(&row)
}

// chronic: an alert had been firing for so long when it was first seen that it tells of nothing new.
func (c *Config) chronic(startsAt, firstSeen time.Time) bool {
	return firstSeen.Sub(startsAt) > c.ChronicAfter
}

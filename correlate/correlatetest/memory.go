package correlatetest

import (
	"slices"
	"strings"
)

// seen checks how often there was one like the incident before, and which were the last.
func (q *question) seen() error {
	i := q.incident()
	if i == nil {
		return nil
	}
	if err := q.number(i.SeenBefore.Times, q.word(), "like it"); err != nil {
		return err
	}
	var latest []string
	for _, r := range i.SeenBefore.Latest {
		latest = append(latest, r.Incident)
	}
	if len(q.args) > 1 && !slices.Equal(latest, q.args[1:]) {
		q.no("the last were %s", strings.Join(latest, " "))
	}
	return nil
}

// remembers checks for a text in what the latest page of the incident tells of those
// before; in the row while there was no page.
func (q *question) remembers() error {
	i := q.incident()
	if i == nil {
		return nil
	}
	row := i
	if pages := q.ledger.Pages[i.ID]; len(pages) > 0 {
		row = &pages[len(pages)-1].Incident
	}
	lines := row.SeenBefore.Lines(row.OpenedAt)
	if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, q.word()) }) {
		q.no("it remembers %q", lines)
	}
	return nil
}

package correlate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// ActionStatus is how far an action item is.
type ActionStatus uint8

// The statuses of action items. Done and dropped ones have ended; they can be taken up again for a week.
const (
	ActionOpen       ActionStatus = iota // to be done
	ActionInProgress                     // somebody is at it
	ActionDone                           // done
	ActionDropped                        // will not be done
)

var actionStatusNames = [...]string{"open", "in-progress", "done", "dropped"}

// String returns the lower-case name.
func (s ActionStatus) String() string { return nameOf(actionStatusNames[:], int(s)) }

func (s ActionStatus) ended() bool { return s >= ActionDone }

// ActionPriority is how much an action item matters.
type ActionPriority uint8

// The priorities of action items, the lowest first.
const (
	PriorityLow ActionPriority = iota
	PriorityMedium
	PriorityHigh
)

var priorityNames = [...]string{"low", "medium", "high"}

// String returns the lower-case name.
func (p ActionPriority) String() string { return nameOf(priorityNames[:], int(p)) }

// ActionItem is something to be done so that it does not happen again, or hurts less. It
// outlives the incident that it came from: it is remembered until it has ended.
type ActionItem struct {
	ID     string // AI-<number>
	Number uint64 // in the order of creation
	// Incident is the id of the incident that it came from; empty: none.
	Incident string
	Text     string
	Assignee string    // empty: nobody yet
	Due      time.Time // zero: no date
	Priority ActionPriority
	Status   ActionStatus
	// EndedAt is when it was done or dropped; zero while it is neither.
	CreatedAt, UpdatedAt, EndedAt time.Time
	CreatedBy, UpdatedBy          string
	// CreatedRevision is the stream position that brought it.
	CreatedRevision uint64
	Archived        bool // the engine has forgotten it; the row is history
	Revision        uint64
}

// ActionItemEdit is a new action item, or of one that exists the Fields that change.
type ActionItemEdit struct {
	ID       string
	Fields   []string // of CommandEditActionItem: "text", "assignee", "due", "priority", "status"
	Text     string
	Assignee string
	Due      time.Time
	Priority ActionPriority
	Status   ActionStatus
}

const (
	// maxActionItems bounds the action items that have not ended.
	maxActionItems = 10_000
	// endedItemFor is how long one that has ended can be taken up again.
	endedItemFor = 7 * 24 * time.Hour
)

func actionItemID(number uint64) string { return fmt.Sprintf("AI-%d", number) }

// editAction returns the row of an action item for changing.
func (e *Engine) editAction(id string) *ActionItem {
	row := *e.actions[id]
	e.putAction(&row)
	return &row
}

func (e *Engine) putAction(row *ActionItem) {
	e.actions[row.ID] = row
	if e.step.actions == nil {
		e.step.actions = map[string]*ActionItem{}
	}
	e.step.actions[row.ID] = row
	row.UpdatedAt, row.Revision = e.meta.Now, e.meta.Pos
}

// sortedActions lists action items by number.
func sortedActions(m map[string]*ActionItem) []*ActionItem {
	return slices.SortedFunc(maps.Values(m), func(a, b *ActionItem) int { return cmp.Compare(a.Number, b.Number) })
}

func (e *Engine) addActionItem(c *Command) string {
	e.forgetActionItems()
	todo := 0
	for _, a := range e.actions {
		if !a.Status.ended() {
			todo++
		}
	}
	switch {
	case strings.TrimSpace(c.Item.Text) == "":
		return "say what is to be done"
	case todo >= maxActionItems:
		return fmt.Sprintf("there are %d action items to be done already; end some first", todo)
	case c.Incident != "" && !e.everHad(c.Incident):
		return fmt.Sprintf("there is no incident %q", c.Incident)
	}
	e.meta.LastActionItem++
	row := &ActionItem{
		ID: actionItemID(e.meta.LastActionItem), Number: e.meta.LastActionItem, Incident: c.Incident,
		Text: c.Item.Text, Assignee: c.Item.Assignee, Due: c.Item.Due, Priority: c.Item.Priority, Status: c.Item.Status,
		CreatedAt: e.meta.Now, CreatedBy: actorOr(c.Actor), UpdatedBy: actorOr(c.Actor), CreatedRevision: e.meta.Pos,
	}
	if row.Status.ended() {
		row.EndedAt = e.meta.Now
	}
	e.putAction(row)
	text := row.ID + " added: " + row.Text
	if row.Assignee != "" {
		text += " (" + row.Assignee + ")"
	}
	e.noteAction(row, c.Actor, text)
	e.recallAbout(row.Incident)
	return ""
}

// everHad reports whether an id is that of an incident, remembered or not.
func (e *Engine) everHad(id string) bool {
	number, ok := IncidentNumber(id)
	return ok && number > 0 && number < e.meta.NextIncident
}

func (e *Engine) editActionItem(c *Command) string {
	e.forgetActionItems()
	was := e.actions[c.Item.ID]
	switch {
	case was == nil:
		return fmt.Sprintf("no action item %q is to be done or has ended lately", c.Item.ID)
	case c.IfRevision != 0 && c.IfRevision != was.Revision:
		return fmt.Sprintf("%s has changed: it is at revision %d, no longer at %d", was.ID, was.Revision, c.IfRevision)
	case len(c.Item.Fields) == 0:
		return fmt.Sprintf("say what of %s changes", was.ID)
	case slices.Contains(c.Item.Fields, "text") && strings.TrimSpace(c.Item.Text) == "":
		return fmt.Sprintf("the text of %s must not be empty", was.ID)
	}
	row := e.editAction(was.ID)
	row.UpdatedBy = actorOr(c.Actor)
	for _, field := range c.Item.Fields {
		row.take(field, &c.Item)
	}
	switch {
	case !row.Status.ended():
		row.EndedAt = time.Time{}
	case !was.Status.ended():
		row.EndedAt = e.meta.Now
	}
	if text := row.changesFrom(was); text != "" {
		e.noteAction(row, c.Actor, withText(text, c.Text))
		e.recallAbout(row.Incident)
	}
	return ""
}

// take sets one field; names that are none set nothing.
func (a *ActionItem) take(field string, from *ActionItemEdit) {
	switch field {
	case "text":
		a.Text = from.Text
	case "assignee":
		a.Assignee = from.Assignee
	case "due":
		a.Due = from.Due
	case "priority":
		a.Priority = from.Priority
	case "status":
		a.Status = from.Status
	}
}

// changesFrom tells what of a is no longer as it was; empty when all is.
func (a *ActionItem) changesFrom(was *ActionItem) string {
	var changes []string
	add := func(changed bool, text string) {
		if changed {
			changes = append(changes, text)
		}
	}
	add(a.Status != was.Status, a.Status.String())
	add(a.Assignee != was.Assignee && a.Assignee != "", "given to "+a.Assignee)
	add(a.Assignee != was.Assignee && a.Assignee == "", "given to nobody")
	add(!a.Due.Equal(was.Due) && !a.Due.IsZero(), "due "+a.Due.UTC().Format(time.DateOnly))
	add(!a.Due.Equal(was.Due) && a.Due.IsZero(), "no longer due on a date")
	add(a.Priority != was.Priority, a.Priority.String()+" priority")
	add(a.Text != was.Text, "now reads: "+a.Text)
	if len(changes) == 0 {
		return ""
	}
	return a.ID + " " + strings.Join(changes, ", ")
}

// noteAction tells in the timeline of the incident that it came from, as long as that can be written to.
func (e *Engine) noteAction(row *ActionItem, actor, text string) {
	inc := cmp.Or(e.incidents[row.Incident], e.records[row.Incident])
	if inc != nil && len(inc.row.Timeline) < e.cfg.MaxTimeline+maxWritten {
		e.note(inc, TimelineAction, actor, text)
	}
}

// moveActionItems has the action items of an incident belong to the one that it was merged into.
func (e *Engine) moveActionItems(from, into string) {
	for _, a := range sortedActions(e.actions) {
		if a.Incident == from {
			e.editAction(a.ID).Incident = into
		}
	}
}

// forgetActionItems lets those be history that ended some time ago.
func (e *Engine) forgetActionItems() {
	for _, a := range sortedActions(e.actions) {
		if a.Status.ended() && e.meta.Now.Sub(a.EndedAt) > endedItemFor {
			updated := a.UpdatedAt
			row := e.editAction(a.ID)
			row.Archived, row.UpdatedAt = true, updated
			delete(e.actions, a.ID)
		}
	}
}

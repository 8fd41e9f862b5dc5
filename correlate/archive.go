package correlate

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"time"
)

// This file takes in incidents that happened under another Headwater. They are history
// from the start: nothing joins them, nothing pages for them, and the store leaves alone
// what it has already, see [Delta.Imports].

// Import is history of another Headwater: an incident that is over and what people have
// to do after it, or further alerts of one. Its ids are those of [Import.Localize].
type Import struct {
	Environment string // where it happened
	Actor       string
	Source      string    // what the actor does it with: "hwctl", "rest", "grpc"; empty: not known
	Incident    *Incident // nil: alerts alone
	Alerts      []*AlertState
	Actions     []*ActionItem
}

func (*Import) signal() {}

const (
	// importedBit tells the numbers of what was imported from those that the engine gave, and
	// puts them behind all of these.
	importedBit = 1 << 63
	// maxImported is the highest number that an incident or action item of another may have.
	maxImported = math.MaxUint32
)

// ImportedID is the id that what has id in another environment gets here.
func ImportedID(environment, id string) string { return environment + "." + id }

// IncidentNumber is the number of the incident that has id; false when no incident can have it.
func IncidentNumber(id string) (uint64, bool) { return numberIn("INC-", id) }

// ActionItemNumber is the number of the action item that has id; false when none can have it.
func ActionItemNumber(id string) (uint64, bool) { return numberIn("AI-", id) }

// numberIn reads an id of the engine's or an imported one. The number of the latter has,
// from its top, one bit that says so, 31 bits of its environment and 32 of its own.
func numberIn(prefix, id string) (uint64, bool) {
	environment, own := "", id
	if dot := strings.LastIndexByte(id, '.'); dot >= 0 {
		environment, own = id[:dot], id[dot+1:]
	}
	var number uint64
	if _, err := fmt.Sscanf(own, prefix+"%d", &number); err != nil || fmt.Sprintf("%s%d", prefix, number) != own {
		return 0, false
	}
	switch {
	case len(own) == len(id):
		return number, number < importedBit
	case environment == "" || number > maxImported:
		return 0, false
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(environment)) // cannot fail
	return importedBit | uint64(h.Sum32()>>1)<<32 | number, true
}

// incidentNumber is 0 for an id that no incident can have.
func incidentNumber(id string) uint64 {
	number, _ := IncidentNumber(id)
	return number
}

// Imported reports whether the incident happened under another Headwater.
func (i *Incident) Imported() bool { return i.Number&importedBit != 0 }

// Imported reports whether the alert came with an incident that happened under another Headwater.
func (a *AlertState) Imported() bool { return strings.IndexByte(a.Incident, '.') >= 0 }

// Localize gives what came from another Headwater the ids that it has here, and takes from
// it what would still be to come. It copies the rows and changes none.
func (im *Import) Localize() *Import {
	out := *im
	here := func(id string) string {
		if id == "" {
			return ""
		}
		return ImportedID(im.Environment, id)
	}
	if im.Incident != nil {
		out.Incident = im.Incident.localized(here)
	}
	out.Alerts = make([]*AlertState, len(im.Alerts))
	for n, a := range im.Alerts {
		row := *a
		row.Incident, row.Archived, row.Bond = here(a.Incident), true, 0
		out.Alerts[n] = &row
	}
	out.Actions = make([]*ActionItem, len(im.Actions))
	for n, a := range im.Actions {
		row := *a
		row.ID, row.Incident, row.Archived = here(a.ID), here(a.Incident), true
		row.Number, _ = ActionItemNumber(row.ID)
		out.Actions[n] = &row
	}
	return &out
}

func (i *Incident) localized(here func(string) string) *Incident {
	row := *i
	row.ID, row.MergedInto, row.SplitFrom = here(i.ID), here(i.MergedInto), here(i.SplitFrom)
	row.Number, _ = IncidentNumber(row.ID)
	row.Merged = nil
	for _, id := range i.Merged {
		row.Merged = append(row.Merged, here(id))
	}
	row.Apart, row.Archived, row.Kept, row.Unsettled = nil, true, false, false
	row.Paging.DueAt, row.Paging.UpdateDueAt = time.Time{}, time.Time{}
	row.ReviewAt = time.Time{}
	before := &row.SeenBefore
	before.Latest, before.OpenItems = slices.Clone(before.Latest), slices.Clone(before.OpenItems)
	for n := range before.OpenItems {
		before.OpenItems[n].ID = here(before.OpenItems[n].ID)
	}
	for n := range before.Latest {
		before.Latest[n].Incident = here(before.Latest[n].Incident)
	}
	return &row
}

// Check says why an import cannot be taken in; nil when it can.
func (im *Import) Check() error {
	if i := im.Incident; i != nil {
		switch number, ok := IncidentNumber(i.ID); {
		case !ok || number != i.Number || !i.Imported():
			return fmt.Errorf("%q is not the id of an incident of another environment", i.ID)
		case i.State == IncidentOpen || i.State != IncidentMerged && i.ResolvedAt.IsZero():
			return fmt.Errorf("%s goes on; only what is over can be imported", i.ID)
		}
	}
	for _, a := range im.Alerts {
		if number, ok := IncidentNumber(a.Incident); !ok || number&importedBit == 0 || a.Fingerprint == "" {
			return fmt.Errorf("alert %s is in no incident of another environment", a.ID())
		}
	}
	for _, a := range im.Actions {
		if number, ok := ActionItemNumber(a.ID); !ok || number != a.Number || number&importedBit == 0 {
			return fmt.Errorf("%q is not the id of an action item of another environment", a.ID)
		}
	}
	return nil
}

// applyImport hands the rows on to the store, which keeps what it has of them already, and
// remembers the incident like one of its own.
func (e *Engine) applyImport(im *Import) string {
	if err := im.Check(); err != nil {
		return err.Error()
	}
	rows := *im
	if im.Incident != nil {
		if im.Incident.ResolvedAt.After(e.meta.Now) {
			return im.Incident.ID + " ends in the future"
		}
		row := *im.Incident
		row.Archived, row.Kept, row.Revision = true, false, e.meta.Pos
		row.Timeline = append(slices.Clip(row.Timeline), TimelineEntry{
			At: e.meta.Now, Kind: TimelineNote, Text: "imported from " + im.Environment, Actor: actorOr(im.Actor), Source: im.Source,
		})
		rows.Incident = &row
		if e.memory.past[row.ID] == nil {
			e.remember(&incident{row: &row})
		}
	}
	rows.Alerts = slices.Clone(im.Alerts)
	for n, a := range rows.Alerts {
		row := *a
		row.Archived, row.Revision = true, e.meta.Pos
		rows.Alerts[n] = &row
	}
	rows.Actions = slices.Clone(im.Actions)
	for n, a := range rows.Actions {
		row := *a
		row.Archived, row.Revision = true, e.meta.Pos
		rows.Actions[n] = &row
	}
	e.step.imports = append(e.step.imports, &rows)
	return ""
}

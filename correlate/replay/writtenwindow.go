package replay

import (
	"encoding/json"
	"errors"

	"github.com/headwater-sre/headwater/correlate"
)

// writtenWindow is a maintenance window that a command declares or ends.
type writtenWindow struct {
	ID       string       `json:"id,omitempty"`
	Matchers []string     `json:"matchers,omitempty"`
	Services []writtenRef `json:"services,omitempty"`
	Scope    string       `json:"scope,omitempty"`
	From     writtenTime  `json:"from,omitzero"`
	Until    writtenTime  `json:"until,omitzero"`
}

// scopeDependents: what depends on the services is in the window too.
const scopeDependents = "dependents"

func writeWindow(w *correlate.MaintenanceEdit) *writtenWindow {
	out := &writtenWindow{ID: w.ID, Matchers: w.Matchers, Services: writeRefs(w.Services), From: writtenTime{w.From}, Until: writtenTime{w.Until}}
	if w.Dependents {
		out.Scope = scopeDependents
	}
	if w.ID == "" && w.Until.IsZero() && len(w.Matchers)+len(w.Services) == 0 {
		return nil // a command about something else
	}
	return out
}

// window reads what writeWindow wrote.
func (in *scenarioReader) window(o *object) correlate.MaintenanceEdit {
	w := correlate.MaintenanceEdit{ID: o.optionalText("id"), From: o.optionalTime("from"), Until: o.optionalTime("until")}
	o.list("matchers", func(path string, raw json.RawMessage) {
		var matcher string
		in.d.unmarshal(path, raw, &matcher, "a matcher")
		w.Matchers = append(w.Matchers, matcher)
	})
	o.list("services", func(path string, raw json.RawMessage) {
		w.Services = append(w.Services, in.named(in.d.object(path, raw)))
	})
	if text := o.optionalText("scope"); text != "" {
		w.Dependents = word(o, "scope", text, parseScope)
	}
	o.done()
	return w
}

func parseScope(s string) (dependents bool, err error) {
	if s != scopeDependents {
		return false, errors.New("want dependents, or nothing")
	}
	return true, nil
}

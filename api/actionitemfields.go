package api

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

type itemRow = *correlate.ActionItem

var (
	actionStatusWords = []string{"open", "in-progress", "done", "dropped"}
	priorityWords     = []string{"low", "medium", "high"}
)

// actionItemFields are listed in the comment of ListActionItemsRequest.filter.
func actionItemFields(now time.Time) schema[itemRow] {
	return schema[itemRow]{
		example: `status = open`,
		fields: []filterField[itemRow]{
			textField("id", func(a itemRow) []string { return []string{a.ID} }),
			textField("incident", func(a itemRow) []string { return []string{a.Incident} }),
			textField("text", func(a itemRow) []string { return []string{a.Text} }),
			textField("assignee", func(a itemRow) []string { return []string{a.Assignee} }),
			rankField("status", "ACTION_STATUS_", actionStatusWords, func(a itemRow) int { return int(a.Status) }),
			rankField("priority", "ACTION_PRIORITY_", priorityWords, func(a itemRow) int { return int(a.Priority) }),
			boolField("overdue", func(a itemRow) bool { return a.EndedAt.IsZero() && !a.Due.IsZero() && a.Due.Before(now) }),
			boolField("archived", func(a itemRow) bool { return a.Archived }),
			timeField("due", func(a itemRow) time.Time { return a.Due }),
			timeField("created_at", func(a itemRow) time.Time { return a.CreatedAt }),
			textField("created_by", func(a itemRow) []string { return []string{a.CreatedBy} }),
			timeField("updated_at", func(a itemRow) time.Time { return a.UpdatedAt }),
			timeField("ended_at", func(a itemRow) time.Time { return a.EndedAt }),
		},
	}
}

// itemOrder is an order of action items. Equal ones come newest first, so every order is total.
type itemOrder struct {
	key  func(itemRow) int64
	desc bool
}

var itemOrders = []struct {
	name string
	key  func(itemRow) int64
}{
	{"created_at", func(a itemRow) int64 { return int64(a.Number) }},
	{"due", func(a itemRow) int64 { return timeKey(a.Due) }},
	{"priority", func(a itemRow) int64 { return int64(a.Priority) }},
	{"updated_at", func(a itemRow) int64 { return timeKey(a.UpdatedAt) }},
}

// parseItemOrder reads an order_by of one field. Empty: newest first.
func parseItemOrder(s string) (itemOrder, error) {
	words := strings.Fields(cmp.Or(strings.TrimSpace(s), "created_at desc"))
	var names []string
	for _, f := range itemOrders {
		names = append(names, f.name)
		switch {
		case words[0] != f.name:
		case len(words) == 1, len(words) == 2 && words[1] == "asc":
			return itemOrder{key: f.key}, nil
		case len(words) == 2 && words[1] == "desc":
			return itemOrder{key: f.key, desc: true}, nil
		}
	}
	return itemOrder{}, fmt.Errorf("%q: want one of %s, then \"asc\", \"desc\" or nothing", s, strings.Join(names, ", "))
}

func (o itemOrder) place(a itemRow) place { return place{Key: o.key(a), Number: a.Number} }

func (o itemOrder) comparePlaces(a, b place) int {
	order := cmp.Compare(a.Key, b.Key)
	switch {
	case a.Key == math.MinInt64 || b.Key == math.MinInt64: // without a date: last
		order = -order
	case o.desc:
		order = -order
	}
	return cmp.Or(order, cmp.Compare(b.Number, a.Number))
}

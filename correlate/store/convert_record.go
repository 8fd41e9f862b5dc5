package store

import (
	"github.com/headwater-sre/headwater/correlate"
	storev1 "github.com/headwater-sre/headwater/proto/headwater/store/v1"
)

// statusOf tells the status of rows that are older than statuses from their state.
func statusOf(i *storev1.Incident) correlate.Status {
	switch {
	case i.GetStatus() > 0:
		return correlate.Status(i.GetStatus() - 1)
	case correlate.IncidentState(i.GetState()) == correlate.IncidentResolved:
		return correlate.StatusResolved
	}
	return correlate.StatusDetected
}

func sevStatementToProto(s *correlate.SevStatement) *storev1.SevStatement {
	if s == nil {
		return nil
	}
	return &storev1.SevStatement{Sev: uint32(s.Sev), AtUnixNano: timeToNano(s.At), By: s.By, Note: s.Note}
}

func sevStatementFromProto(s *storev1.SevStatement) *correlate.SevStatement {
	if s == nil {
		return nil
	}
	return &correlate.SevStatement{Sev: correlate.Sev(s.GetSev()), At: timeFromNano(s.GetAtUnixNano()), By: s.GetBy(), Note: s.GetNote()}
}

func closureToProto(c *correlate.Closure) *storev1.Closure {
	if c == nil {
		return nil
	}
	return &storev1.Closure{AtUnixNano: timeToNano(c.At), By: c.By, Note: c.Note}
}

func closureFromProto(c *storev1.Closure) *correlate.Closure {
	if c == nil {
		return nil
	}
	return &correlate.Closure{At: timeFromNano(c.GetAtUnixNano()), By: c.GetBy(), Note: c.GetNote()}
}

func roleToProto(r correlate.Role) *storev1.Role {
	return &storev1.Role{Name: r.Name, Who: r.Who, AtUnixNano: timeToNano(r.At), By: r.By}
}

func roleFromProto(r *storev1.Role) correlate.Role {
	return correlate.Role{Name: r.GetName(), Who: r.GetWho(), At: timeFromNano(r.GetAtUnixNano()), By: r.GetBy()}
}

func linkToProto(l correlate.Link) *storev1.Link {
	return &storev1.Link{Title: l.Title, Url: l.URL, AtUnixNano: timeToNano(l.At), By: l.By}
}

func linkFromProto(l *storev1.Link) correlate.Link {
	return correlate.Link{Title: l.GetTitle(), URL: l.GetUrl(), At: timeFromNano(l.GetAtUnixNano()), By: l.GetBy()}
}

func actionItemToProto(a *correlate.ActionItem) *storev1.ActionItem {
	return &storev1.ActionItem{
		Id:                a.ID,
		Number:            a.Number,
		Incident:          a.Incident,
		Text:              a.Text,
		Assignee:          a.Assignee,
		DueUnixNano:       timeToNano(a.Due),
		Priority:          uint32(a.Priority),
		Status:            uint32(a.Status),
		CreatedAtUnixNano: timeToNano(a.CreatedAt),
		UpdatedAtUnixNano: timeToNano(a.UpdatedAt),
		EndedAtUnixNano:   timeToNano(a.EndedAt),
		CreatedBy:         a.CreatedBy,
		UpdatedBy:         a.UpdatedBy,
		CreatedRevision:   a.CreatedRevision,
		Archived:          a.Archived,
		Revision:          a.Revision,
	}
}

func actionItemFromProto(a *storev1.ActionItem) *correlate.ActionItem {
	return &correlate.ActionItem{
		ID:              a.GetId(),
		Number:          a.GetNumber(),
		Incident:        a.GetIncident(),
		Text:            a.GetText(),
		Assignee:        a.GetAssignee(),
		Due:             timeFromNano(a.GetDueUnixNano()),
		Priority:        correlate.ActionPriority(a.GetPriority()),
		Status:          correlate.ActionStatus(a.GetStatus()),
		CreatedAt:       timeFromNano(a.GetCreatedAtUnixNano()),
		UpdatedAt:       timeFromNano(a.GetUpdatedAtUnixNano()),
		EndedAt:         timeFromNano(a.GetEndedAtUnixNano()),
		CreatedBy:       a.GetCreatedBy(),
		UpdatedBy:       a.GetUpdatedBy(),
		CreatedRevision: a.GetCreatedRevision(),
		Archived:        a.GetArchived(),
		Revision:        a.GetRevision(),
	}
}

func maintenanceToProto(w *correlate.Maintenance) *storev1.Maintenance {
	return &storev1.Maintenance{
		Id:                w.ID,
		Number:            w.Number,
		Matchers:          w.Matchers,
		Services:          each(w.Services, refToProto),
		Dependents:        w.Dependents,
		FromUnixNano:      timeToNano(w.From),
		UntilUnixNano:     timeToNano(w.Until),
		Reason:            w.Reason,
		CreatedAtUnixNano: timeToNano(w.CreatedAt),
		CreatedBy:         w.CreatedBy,
		EndedAtUnixNano:   timeToNano(w.EndedAt),
		EndedBy:           w.EndedBy,
		CreatedRevision:   w.CreatedRevision,
		Archived:          w.Archived,
		Revision:          w.Revision,
	}
}

func maintenanceFromProto(w *storev1.Maintenance) *correlate.Maintenance {
	return &correlate.Maintenance{
		ID:              w.GetId(),
		Number:          w.GetNumber(),
		Matchers:        w.GetMatchers(),
		Services:        each(w.GetServices(), refFromProto),
		Dependents:      w.GetDependents(),
		From:            timeFromNano(w.GetFromUnixNano()),
		Until:           timeFromNano(w.GetUntilUnixNano()),
		Reason:          w.GetReason(),
		CreatedAt:       timeFromNano(w.GetCreatedAtUnixNano()),
		CreatedBy:       w.GetCreatedBy(),
		EndedAt:         timeFromNano(w.GetEndedAtUnixNano()),
		EndedBy:         w.GetEndedBy(),
		CreatedRevision: w.GetCreatedRevision(),
		Archived:        w.GetArchived(),
		Revision:        w.GetRevision(),
	}
}

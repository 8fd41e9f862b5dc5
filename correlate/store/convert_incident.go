package store

import (
	"time"

	"github.com/headwater-sre/headwater/correlate"
	storev1 "github.com/headwater-sre/headwater/proto/headwater/store/v1"
	"github.com/headwater-sre/headwater/topology"
)

func incidentToProto(i *correlate.Incident) *storev1.Incident {
	out := &storev1.Incident{
		Id:                    i.ID,
		Number:                i.Number,
		State:                 uint32(i.State),
		Title:                 i.Title,
		Severity:              uint32(i.Severity),
		StartedAtUnixNano:     timeToNano(i.StartedAt),
		OpenedAtUnixNano:      timeToNano(i.OpenedAt),
		UpdatedAtUnixNano:     timeToNano(i.UpdatedAt),
		ResolvedAtUnixNano:    timeToNano(i.ResolvedAt),
		Origins:               each(i.Origins, originToProto),
		Unknown:               i.Unknown,
		Services:              each(i.Services, impactToProto),
		NextHit:               each(i.NextHit, wholeRefToProto),
		Path:                  each(i.Path, pathEdgeToProto),
		Changes:               each(i.Changes, changeToProto),
		Gaps:                  i.Gaps,
		Alerts:                int64(i.Alerts),
		Firing:                int64(i.Firing),
		Muted:                 int64(i.Muted),
		Truncated:             int64(i.Truncated),
		MergedInto:            i.MergedInto,
		Merged:                i.Merged,
		Timeline:              each(i.Timeline, timelineToProto),
		Paging:                pagingToProto(i.Paging),
		Escalated:             each(i.Escalated, escalatedToProto),
		CloseAtUnixNano:       timeToNano(i.CloseAt),
		Runbooks:              i.Runbooks,
		Environment:           i.Environment,
		TopologyVersion:       i.TopologyVersion,
		Archived:              i.Archived,
		Revision:              i.Revision,
		ResolvedBy:            i.ResolvedBy,
		QuietSinceUnixNano:    timeToNano(i.QuietSince),
		Unsettled:             i.Unsettled,
		SplitFrom:             i.SplitFrom,
		Rejoined:              int64(i.Rejoined),
		ReviewAtUnixNano:      timeToNano(i.ReviewAt),
		ReviewedUntilUnixNano: timeToNano(i.ReviewedUntil),
		Apart:                 each(i.Apart, partingToProto),
		Sev:                   uint32(i.Sev),
		SevWhy:                i.SevWhy,
		SetSev:                sevStatementToProto(i.SetSev),
		Status:                uint32(i.Status) + 1,
		Closed:                closureToProto(i.Closed),
		Roles:                 each(i.Roles, roleToProto),
		Links:                 each(i.Links, linkToProto),
		Informed:              i.Informed,
		Kept:                  i.Kept,
		Remedy:                i.Remedy,
		SeenBefore:            seenBeforeToProto(i.SeenBefore),
	}
	if s := i.SetOrigin; s != nil {
		out.SetOrigin = &storev1.OriginStatement{Service: refToProto(s.Service), AtUnixNano: timeToNano(s.At), By: s.By, Note: s.Note, Named: each(s.Named, refToProto)}
	}
	if i.Ack != nil {
		out.Ack = &storev1.Acknowledgement{AtUnixNano: timeToNano(i.Ack.At), By: i.Ack.By, Note: i.Ack.Note}
	}
	return out
}

func incidentFromProto(i *storev1.Incident) *correlate.Incident {
	out := &correlate.Incident{
		ID:              i.GetId(),
		Number:          i.GetNumber(),
		State:           correlate.IncidentState(i.GetState()),
		Title:           i.GetTitle(),
		Severity:        correlate.Severity(i.GetSeverity()),
		StartedAt:       timeFromNano(i.GetStartedAtUnixNano()),
		OpenedAt:        timeFromNano(i.GetOpenedAtUnixNano()),
		UpdatedAt:       timeFromNano(i.GetUpdatedAtUnixNano()),
		ResolvedAt:      timeFromNano(i.GetResolvedAtUnixNano()),
		Origins:         each(i.GetOrigins(), originFromProto),
		Unknown:         i.GetUnknown(),
		Services:        each(i.GetServices(), impactFromProto),
		NextHit:         each(i.GetNextHit(), refFromProto),
		Path:            each(i.GetPath(), pathEdgeFromProto),
		Changes:         each(i.GetChanges(), changeFromProto),
		Gaps:            i.GetGaps(),
		Alerts:          int(i.GetAlerts()),
		Firing:          int(i.GetFiring()),
		Muted:           int(i.GetMuted()),
		Truncated:       int(i.GetTruncated()),
		MergedInto:      i.GetMergedInto(),
		Merged:          i.GetMerged(),
		Timeline:        each(i.GetTimeline(), timelineFromProto),
		Sev:             correlate.Sev(i.GetSev()),
		SevWhy:          i.GetSevWhy(),
		SetSev:          sevStatementFromProto(i.GetSetSev()),
		Status:          statusOf(i),
		Closed:          closureFromProto(i.GetClosed()),
		Roles:           each(i.GetRoles(), roleFromProto),
		Links:           each(i.GetLinks(), linkFromProto),
		Informed:        i.GetInformed(),
		Kept:            i.GetKept(),
		Remedy:          i.GetRemedy(),
		SeenBefore:      seenBeforeFromProto(i.GetSeenBefore()),
		Paging:          pagingFromProto(i.GetPaging()),
		Escalated:       each(i.GetEscalated(), escalatedFromProto),
		CloseAt:         timeFromNano(i.GetCloseAtUnixNano()),
		Runbooks:        i.GetRunbooks(),
		Environment:     i.GetEnvironment(),
		TopologyVersion: i.GetTopologyVersion(),
		Archived:        i.GetArchived(),
		Revision:        i.GetRevision(),
		ResolvedBy:      i.GetResolvedBy(),
		QuietSince:      timeFromNano(i.GetQuietSinceUnixNano()),
		Unsettled:       i.GetUnsettled(),
		SplitFrom:       i.GetSplitFrom(),
		Rejoined:        int(i.GetRejoined()),
		ReviewAt:        timeFromNano(i.GetReviewAtUnixNano()),
		ReviewedUntil:   timeFromNano(i.GetReviewedUntilUnixNano()),
		Apart:           each(i.GetApart(), partingFromProto),
	}
	if s := i.GetSetOrigin(); s != nil {
		out.SetOrigin = &correlate.OriginStatement{Service: refFromProto(s.GetService()), At: timeFromNano(s.GetAtUnixNano()), By: s.GetBy(), Note: s.GetNote(), Named: each(s.GetNamed(), refFromProto)}
	}
	if a := i.GetAck(); a != nil {
		out.Ack = &correlate.Acknowledgement{At: timeFromNano(a.GetAtUnixNano()), By: a.GetBy(), Note: a.GetNote()}
	}
	return out
}

func partingToProto(p correlate.Parting) *storev1.Parting {
	return &storev1.Parting{Incident: p.Incident, AtUnixNano: timeToNano(p.At), By: p.By}
}

func partingFromProto(p *storev1.Parting) correlate.Parting {
	return correlate.Parting{Incident: p.GetIncident(), At: timeFromNano(p.GetAtUnixNano()), By: p.GetBy()}
}

// wholeRefToProto is for lists, where a nil would not be a message.
func wholeRefToProto(r topology.Ref) *storev1.Ref {
	return &storev1.Ref{Namespace: r.Namespace, Name: r.Name}
}

func originToProto(o correlate.Origin) *storev1.Origin {
	return &storev1.Origin{
		Service:     refToProto(o.Service),
		Kind:        uint32(o.Kind),
		Owner:       o.Owner,
		Probability: o.Probability,
		Silent:      o.Silent,
		SilenceCost: o.SilenceCost,
		Reasons:     each(o.Reasons, reasonToProto),
	}
}

func originFromProto(o *storev1.Origin) correlate.Origin {
	return correlate.Origin{
		Service:     refFromProto(o.GetService()),
		Kind:        topology.Kind(o.GetKind()),
		Owner:       o.GetOwner(),
		Probability: o.GetProbability(),
		Silent:      o.GetSilent(),
		SilenceCost: o.GetSilenceCost(),
		Reasons:     each(o.GetReasons(), reasonFromProto),
	}
}

func reasonToProto(r correlate.Reason) *storev1.Reason {
	return &storev1.Reason{Text: r.Text, Term: uint32(r.Term), Weight: r.Weight}
}

func reasonFromProto(r *storev1.Reason) correlate.Reason {
	return correlate.Reason{Text: r.GetText(), Term: correlate.Term(r.GetTerm()), Weight: r.GetWeight()}
}

func impactToProto(s correlate.ServiceImpact) *storev1.ServiceImpact {
	return &storev1.ServiceImpact{
		Service:       refToProto(s.Service),
		Kind:          uint32(s.Kind),
		Owner:         s.Owner,
		Alerts:        int64(s.Alerts),
		Firing:        int64(s.Firing),
		Unexplained:   int64(s.Unexplained),
		Severity:      uint32(s.Severity),
		SinceUnixNano: timeToNano(s.Since),
		Distance:      int64(s.Distance),
	}
}

func impactFromProto(s *storev1.ServiceImpact) correlate.ServiceImpact {
	return correlate.ServiceImpact{
		Service:     refFromProto(s.GetService()),
		Kind:        topology.Kind(s.GetKind()),
		Owner:       s.GetOwner(),
		Alerts:      int(s.GetAlerts()),
		Firing:      int(s.GetFiring()),
		Unexplained: int(s.GetUnexplained()),
		Severity:    correlate.Severity(s.GetSeverity()),
		Since:       timeFromNano(s.GetSinceUnixNano()),
		Distance:    int(s.GetDistance()),
	}
}

func pathEdgeToProto(e correlate.PathEdge) *storev1.PathEdge {
	return &storev1.PathEdge{
		Cause:      refToProto(e.Cause),
		Effect:     refToProto(e.Effect),
		DelayNanos: int64(e.Delay),
		Kind:       e.Kind,
		Role:       e.Role,
		Cost:       e.Cost,
		Passing:    e.Passing,
	}
}

func pathEdgeFromProto(e *storev1.PathEdge) correlate.PathEdge {
	return correlate.PathEdge{
		Cause:   refFromProto(e.GetCause()),
		Effect:  refFromProto(e.GetEffect()),
		Delay:   time.Duration(e.GetDelayNanos()),
		Kind:    e.GetKind(),
		Role:    e.GetRole(),
		Cost:    e.GetCost(),
		Passing: e.GetPassing(),
	}
}

func timelineToProto(t correlate.TimelineEntry) *storev1.TimelineEntry {
	return &storev1.TimelineEntry{AtUnixNano: timeToNano(t.At), Kind: uint32(t.Kind), Text: t.Text, Actor: t.Actor, Source: t.Source}
}

func timelineFromProto(t *storev1.TimelineEntry) correlate.TimelineEntry {
	return correlate.TimelineEntry{
		At:     timeFromNano(t.GetAtUnixNano()),
		Kind:   correlate.TimelineKind(t.GetKind()),
		Text:   t.GetText(),
		Actor:  t.GetActor(),
		Source: t.GetSource(),
	}
}

func pagingToProto(p correlate.Paging) *storev1.Paging {
	return &storev1.Paging{
		DueAtUnixNano:        timeToNano(p.DueAt),
		OpenedAtUnixNano:     timeToNano(p.OpenedAt),
		UpdatedAtUnixNano:    timeToNano(p.UpdatedAt),
		ResolvedAtUnixNano:   timeToNano(p.ResolvedAt),
		Opens:                int64(p.Opens),
		Seq:                  p.Seq,
		UpdateDueAtUnixNano:  timeToNano(p.UpdateDueAt),
		SaidOrigin:           refToProto(p.SaidOrigin),
		SaidSeverity:         uint32(p.SaidSeverity),
		SaidServices:         int64(p.SaidServices),
		Hold:                 holdToProto(p.Hold),
		Rings:                int64(p.Rings),
		RangAtUnixNano:       timeToNano(p.RangAt),
		RangSev:              uint32(p.RangSev),
		NamedSev:             uint32(p.NamedSev),
		RangServices:         int64(p.RangServices),
		RangOwner:            p.RangOwner,
		Reminders:            int64(p.Reminders),
		CallDueAtUnixNano:    timeToNano(p.CallDueAt),
		RouteOpensAtUnixNano: timeToNano(p.RouteOpensAt),
		RouteMuted:           p.RouteMuted,
	}
}

func pagingFromProto(p *storev1.Paging) correlate.Paging {
	return correlate.Paging{
		DueAt:        timeFromNano(p.GetDueAtUnixNano()),
		OpenedAt:     timeFromNano(p.GetOpenedAtUnixNano()),
		UpdatedAt:    timeFromNano(p.GetUpdatedAtUnixNano()),
		ResolvedAt:   timeFromNano(p.GetResolvedAtUnixNano()),
		Opens:        int(p.GetOpens()),
		Seq:          p.GetSeq(),
		UpdateDueAt:  timeFromNano(p.GetUpdateDueAtUnixNano()),
		SaidOrigin:   refFromProto(p.GetSaidOrigin()),
		SaidSeverity: correlate.Severity(p.GetSaidSeverity()),
		SaidServices: int(p.GetSaidServices()),
		Hold:         holdFromProto(p.GetHold()),
		Rings:        int(p.GetRings()),
		RangAt:       timeFromNano(p.GetRangAtUnixNano()),
		RangSev:      correlate.Sev(p.GetRangSev()),
		NamedSev:     correlate.Sev(p.GetNamedSev()),
		RangServices: int(p.GetRangServices()),
		RangOwner:    p.GetRangOwner(),
		Reminders:    int(p.GetReminders()),
		CallDueAt:    timeFromNano(p.GetCallDueAtUnixNano()),
		RouteOpensAt: timeFromNano(p.GetRouteOpensAtUnixNano()),
		RouteMuted:   p.GetRouteMuted(),
	}
}

func holdToProto(h correlate.Hold) *storev1.Hold {
	if h == (correlate.Hold{}) {
		return nil
	}
	return &storev1.Hold{Kind: uint32(h.Kind), Text: h.Text, UntilUnixNano: timeToNano(h.Until)}
}

func holdFromProto(h *storev1.Hold) correlate.Hold {
	return correlate.Hold{Kind: correlate.HoldKind(h.GetKind()), Text: h.GetText(), Until: timeFromNano(h.GetUntilUnixNano())}
}

func escalatedToProto(e correlate.EscalatedStep) *storev1.EscalatedStep {
	return &storev1.EscalatedStep{Step: e.Step, AtUnixNano: timeToNano(e.At)}
}

func escalatedFromProto(e *storev1.EscalatedStep) correlate.EscalatedStep {
	return correlate.EscalatedStep{Step: e.GetStep(), At: timeFromNano(e.GetAtUnixNano())}
}

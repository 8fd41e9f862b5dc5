package api

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

// Conversions from the domain to the public contract. Enums of the contract reserve 0
// for "unspecified", so most are the domain's value plus one; TestEnumsAreNamedAlike
// holds the two lists of names together.

// incidentToProto converts all but the pages, which are other rows.
func incidentToProto(i *correlate.Incident) *pb.Incident {
	return &pb.Incident{
		Id:                 i.ID,
		Number:             i.Number,
		State:              pb.IncidentState(i.State) + 1,
		Headline:           i.Headline(),
		Title:              i.Title,
		Severity:           severityToProto(i.Severity),
		StartedAt:          timeToProto(i.StartedAt),
		OpenedAt:           timeToProto(i.OpenedAt),
		UpdatedAt:          timeToProto(i.UpdatedAt),
		ResolvedAt:         timeToProto(i.ResolvedAt),
		Origins:            mapped(i.Origins, originToProto),
		UnknownProbability: i.Unknown,
		Services:           mapped(i.Services, serviceImpactToProto),
		NextHit:            mapped(i.NextHit, refToProto),
		Path:               mapped(i.Path, pathEdgeToProto),
		Changes:            mapped(i.Changes, changeToProto),
		Gaps:               i.Gaps,
		Alerts:             int32(i.Alerts),
		Firing:             int32(i.Firing),
		Muted:              int32(i.Muted),
		Truncated:          int32(i.Truncated),
		MergedInto:         i.MergedInto,
		Merged:             i.Merged,
		Acknowledgement:    ackToProto(i.Ack),
		Timeline:           mapped(i.Timeline, timelineToProto),
		Paging:             pagingToProto(i),
		Runbooks:           i.Runbooks,
		Environment:        i.Environment,
		TopologyVersion:    i.TopologyVersion,
		Archived:           i.Archived,
		RouteLabels:        i.RouteLabels(),
		Revision:           i.Revision,
		ResolvedBy:         i.ResolvedBy,
		QuietSince:         timeToProto(i.QuietSince),
		CloseAt:            timeToProto(i.CloseAt),
		SetOrigin:          originStatementToProto(i.SetOrigin),
		SplitFrom:          i.SplitFrom,
		Apart:              mapped(i.Apart, partingToProto),

		IncidentSeverity:       pb.IncidentSeverity(i.Sev),
		IncidentSeverityReason: i.SevWhy,
		SetSeverity:            sevStatementToProto(i.SetSev),
		Status:                 statusToProto(i.Status),
		NextStatuses:           mapped(i.Status.NextStatuses(), statusToProto),
		Closed:                 closureToProto(i.Closed),
		Roles:                  mapped(i.Roles, roleToProto),
		Links:                  mapped(i.Links, linkToProto),
		InformedOwners:         i.Informed,
		Remedy:                 i.Remedy,
		SeenBefore:             seenBeforeToProto(i),
	}
}

func seenBeforeToProto(i *correlate.Incident) *pb.SeenBefore {
	b := i.SeenBefore
	if b.Times == 0 {
		return nil
	}
	return &pb.SeenBefore{
		Times: int32(b.Times), TypicalDuration: durationToProto(b.Typical), Latest: mapped(b.Latest, recurrenceToProto),
		ActionItems: mapped(b.OpenItems, func(a correlate.OpenItem) *pb.RecurrenceActionItem {
			return &pb.RecurrenceActionItem{Id: a.ID, Text: a.Text, Assignee: a.Assignee}
		}),
		ActionItemCount: int32(b.OpenItemCount), Lines: b.Lines(i.OpenedAt),
	}
}

func recurrenceToProto(r correlate.Recurrence) *pb.Recurrence {
	return &pb.Recurrence{
		Incident: r.Incident, EndedAt: timeToProto(r.EndedAt), Duration: durationToProto(r.Lasted),
		EndedBy: r.EndedBy, SameOrigin: r.SameOrigin, Overlap: r.Overlap,
	}
}

func sevStatementToProto(s *correlate.SevStatement) *pb.SeverityStatement {
	if s == nil {
		return nil
	}
	return &pb.SeverityStatement{Severity: pb.IncidentSeverity(s.Sev), At: timeToProto(s.At), Actor: s.By, Note: s.Note}
}

func statusToProto(s correlate.Status) pb.IncidentStatus { return pb.IncidentStatus(s) + 1 }

func closureToProto(c *correlate.Closure) *pb.Closure {
	if c == nil {
		return nil
	}
	return &pb.Closure{At: timeToProto(c.At), Actor: c.By, Note: c.Note}
}

func roleToProto(r correlate.Role) *pb.IncidentRole {
	return &pb.IncidentRole{Role: r.Name, Assignee: r.Who, At: timeToProto(r.At), Actor: r.By}
}

func linkToProto(l correlate.Link) *pb.IncidentLink {
	return &pb.IncidentLink{Title: l.Title, Url: l.URL, At: timeToProto(l.At), Actor: l.By}
}

func originStatementToProto(s *correlate.OriginStatement) *pb.OriginStatement {
	if s == nil {
		return nil
	}
	return &pb.OriginStatement{Service: refToProto(s.Service), At: timeToProto(s.At), Actor: s.By, Note: s.Note, Named: mapped(s.Named, refToProto)}
}

func partingToProto(p correlate.Parting) *pb.Parting {
	return &pb.Parting{Incident: p.Incident, At: timeToProto(p.At), Actor: p.By}
}

func originToProto(o correlate.Origin) *pb.Origin {
	return &pb.Origin{
		Service:     refToProto(o.Service),
		Kind:        kindToProto(o.Kind),
		Owner:       o.Owner,
		Probability: o.Probability,
		Silent:      o.Silent,
		SilenceCost: o.SilenceCost,
		Reasons: mapped(o.Reasons, func(r correlate.Reason) *pb.Reason {
			return &pb.Reason{Text: r.Text, Term: pb.Term(r.Term), Weight: r.Weight}
		}),
	}
}

func serviceImpactToProto(s correlate.ServiceImpact) *pb.ServiceImpact {
	p := &pb.ServiceImpact{
		Service:     refToProto(s.Service),
		Kind:        kindToProto(s.Kind),
		Owner:       s.Owner,
		Alerts:      int32(s.Alerts),
		Firing:      int32(s.Firing),
		Unexplained: int32(s.Unexplained),
		Severity:    severityToProto(s.Severity),
		Since:       timeToProto(s.Since),
	}
	if s.Distance >= 0 {
		distance := int32(s.Distance)
		p.Distance = &distance
	}
	return p
}

func pathEdgeToProto(e correlate.PathEdge) *pb.PathEdge {
	return &pb.PathEdge{
		Cause:   refToProto(e.Cause),
		Effect:  refToProto(e.Effect),
		Delay:   durationToProto(e.Delay),
		Kind:    e.Kind,
		Role:    e.Role,
		Cost:    e.Cost,
		Passing: e.Passing,
	}
}

func changeToProto(c correlate.Change) *pb.Change {
	return &pb.Change{
		Service: refToProto(c.Service),
		Kind:    c.Kind,
		Summary: c.Summary,
		Link:    c.Link,
		At:      timeToProto(c.At),
		Source:  c.Source,
	}
}

func ackToProto(a *correlate.Acknowledgement) *pb.Acknowledgement {
	if a == nil {
		return nil
	}
	return &pb.Acknowledgement{At: timeToProto(a.At), Actor: a.By, Note: a.Note}
}

func timelineToProto(e correlate.TimelineEntry) *pb.TimelineEntry {
	return &pb.TimelineEntry{At: timeToProto(e.At), Kind: pb.TimelineKind(e.Kind) + 1, Text: e.Text, Actor: e.Actor, Source: e.Source}
}

func pagingToProto(i *correlate.Incident) *pb.Paging {
	p := &i.Paging
	return &pb.Paging{
		DueAt:        timeToProto(p.DueAt),
		OpenedAt:     timeToProto(p.OpenedAt),
		UpdatedAt:    timeToProto(p.UpdatedAt),
		ResolvedAt:   timeToProto(p.ResolvedAt),
		Opens:        int32(p.Opens),
		Seq:          p.Seq,
		UpdateDueAt:  timeToProto(p.UpdateDueAt),
		Hold:         holdToProto(p.Hold),
		Rings:        int32(p.Rings),
		RangAt:       timeToProto(p.RangAt),
		Reminders:    int32(p.Reminders),
		CallDueAt:    timeToProto(p.CallDueAt),
		RouteOpensAt: timeToProto(p.RouteOpensAt),
		RouteMuted:   p.RouteMuted,
		Escalated:    mapped(i.Escalated, escalatedToProto),
	}
}

func holdToProto(h correlate.Hold) *pb.Hold {
	if h.Kind == correlate.HoldNone {
		return nil
	}
	return &pb.Hold{Kind: pb.HoldKind(h.Kind), Text: h.Text, Until: timeToProto(h.Until)}
}

func escalatedToProto(s correlate.EscalatedStep) *pb.EscalatedStep {
	return &pb.EscalatedStep{Step: s.Step, At: timeToProto(s.At)}
}

func pageToProto(e *correlate.OutboxEntry) *pb.Page {
	return &pb.Page{
		Seq:        e.Page.Seq,
		Kind:       pb.PageKind(e.Page.Kind) + 1,
		At:         timeToProto(e.Page.At),
		Reason:     e.Page.Reason,
		Headline:   e.Page.Incident.Headline(),
		Deliveries: mapped(e.Deliveries, deliveryToProto),
		Done:       e.Done,
		Superseded: e.Superseded,
		To:         e.Page.To,
		Ring:       int32(e.Page.Ring),
		Newcomers:  e.Page.Newcomers,
		Owners:     e.Page.Owners,
	}
}

func deliveryToProto(d correlate.Delivery) *pb.Delivery {
	return &pb.Delivery{
		Receiver:    d.Receiver,
		Integration: d.Integration,
		Index:       int32(d.Index),
		Attempts:    int32(d.Attempts),
		SentAt:      timeToProto(d.SentAt),
		LastError:   d.LastError,
		Skipped:     d.Skipped,
		Thread:      d.Thread,
		Ring:        int32(d.Ring),
	}
}

func alertToProto(a *correlate.AlertState) *pb.Alert {
	return &pb.Alert{
		Id:            a.ID().String(),
		Fingerprint:   a.Fingerprint,
		Labels:        a.Labels,
		Annotations:   a.Annotations,
		Active:        a.Active(),
		StartedAt:     timeToProto(a.StartsAt),
		EndedAt:       timeToProto(a.EndedAt),
		FirstSeenAt:   timeToProto(a.FirstSeen),
		LastSeenAt:    timeToProto(a.LastSeen),
		GeneratorUrl:  a.GeneratorURL,
		Sender:        a.Sender,
		Service:       refToProto(a.Service),
		Caller:        optionalRef(a.Caller),
		Mapped:        a.Mapped,
		MappedBy:      a.MappedBy,
		Class:         pb.AlertClass(a.Class) + 1,
		Severity:      severityToProto(a.Severity),
		Incident:      a.Incident,
		Fate:          &pb.Fate{Kind: pb.FateKind(a.Fate.Kind) + 1, Text: a.Fate.Text, At: timeToProto(a.Fate.At)},
		Archived:      a.Archived,
		Revision:      a.Revision,
		SenderEndedAt: timeToProto(a.EndsAt),
		Muted:         a.Muted,
		SenderUrl:     a.SenderURL,
		Detached:      a.Detached,
		Maintenance:   a.Maintenance,
	}
}

func healthToProto(h *correlate.HealthState) *pb.HealthCheck {
	p := &pb.HealthCheck{
		Service:   refToProto(h.Service),
		Check:     h.Check,
		Status:    pb.HealthStatus(h.Status) + 1,
		Latency:   durationToProto(h.Latency),
		Message:   h.Message,
		CheckedAt: timeToProto(h.At),
		Since:     timeToProto(h.Since),
		Failures:  int32(h.Failures),
		Successes: int32(h.Successes),
		Ttl:       durationToProto(h.TTL),
		Revision:  h.Revision,
	}
	if h.Alert != (correlate.AlertID{}) {
		p.Alert = h.Alert.String()
	}
	return p
}

func severityToProto(s correlate.Severity) pb.Severity { return pb.Severity(s) + 1 }

// kindToProto: an unspecified kind is the domain's zero value as well.
func kindToProto(k topology.Kind) pb.ServiceKind { return pb.ServiceKind(k) }

func refToProto(r topology.Ref) *pb.ServiceRef {
	return &pb.ServiceRef{Namespace: r.Namespace, Name: r.Name}
}

func optionalRef(r topology.Ref) *pb.ServiceRef {
	if r.IsZero() {
		return nil
	}
	return refToProto(r)
}

// timeToProto leaves an unknown time unset.
func timeToProto(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// durationToProto leaves an unknown duration unset.
func durationToProto(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

func mapped[T, P any](rows []T, convert func(T) P) []P {
	if len(rows) == 0 {
		return nil
	}
	out := make([]P, len(rows))
	for n, row := range rows {
		out[n] = convert(row)
	}
	return out
}

package store

import (
	"time"

	"github.com/headwater-sre/headwater/correlate"
	storev1 "github.com/headwater-sre/headwater/proto/headwater/store/v1"
)

func pastToProto(p *correlate.Past) *storev1.Past {
	return &storev1.Past{
		Incident:          p.Incident,
		Number:            p.Number,
		Origin:            refToProto(p.Origin),
		Suspects:          each(p.Suspects, refToProto),
		Services:          each(p.Services, refToProto),
		StartedAtUnixNano: timeToNano(p.StartedAt),
		EndedAtUnixNano:   timeToNano(p.EndedAt),
		EndedBy:           p.EndedBy,
	}
}

func pastFromProto(p *storev1.Past) *correlate.Past {
	return &correlate.Past{
		Incident:  p.GetIncident(),
		Number:    p.GetNumber(),
		Origin:    refFromProto(p.GetOrigin()),
		Suspects:  each(p.GetSuspects(), refFromProto),
		Services:  each(p.GetServices(), refFromProto),
		StartedAt: timeFromNano(p.GetStartedAtUnixNano()),
		EndedAt:   timeFromNano(p.GetEndedAtUnixNano()),
		EndedBy:   p.GetEndedBy(),
	}
}

func seenBeforeToProto(b correlate.SeenBefore) *storev1.SeenBefore {
	if b.Times == 0 {
		return nil
	}
	return &storev1.SeenBefore{
		Times:        int64(b.Times),
		TypicalNanos: int64(b.Typical),
		Latest: each(b.Latest, func(r correlate.Recurrence) *storev1.Recurrence {
			return &storev1.Recurrence{
				Incident: r.Incident, EndedAtUnixNano: timeToNano(r.EndedAt), LastedNanos: int64(r.Lasted),
				EndedBy: r.EndedBy, SameOrigin: r.SameOrigin, Overlap: r.Overlap,
			}
		}),
		OpenItems: each(b.OpenItems, func(a correlate.OpenItem) *storev1.OpenItem {
			return &storev1.OpenItem{Id: a.ID, Text: a.Text, Assignee: a.Assignee}
		}),
		OpenItemCount: int64(b.OpenItemCount),
	}
}

func seenBeforeFromProto(b *storev1.SeenBefore) correlate.SeenBefore {
	return correlate.SeenBefore{
		Times:   int(b.GetTimes()),
		Typical: time.Duration(b.GetTypicalNanos()),
		Latest: each(b.GetLatest(), func(r *storev1.Recurrence) correlate.Recurrence {
			return correlate.Recurrence{
				Incident: r.GetIncident(), EndedAt: timeFromNano(r.GetEndedAtUnixNano()), Lasted: time.Duration(r.GetLastedNanos()),
				EndedBy: r.GetEndedBy(), SameOrigin: r.GetSameOrigin(), Overlap: r.GetOverlap(),
			}
		}),
		OpenItems: each(b.GetOpenItems(), func(a *storev1.OpenItem) correlate.OpenItem {
			return correlate.OpenItem{ID: a.GetId(), Text: a.GetText(), Assignee: a.GetAssignee()}
		}),
		OpenItemCount: int(b.GetOpenItemCount()),
	}
}

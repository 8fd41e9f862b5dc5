package store

import (
	"github.com/headwater-sre/headwater/correlate"
	storev1 "github.com/headwater-sre/headwater/proto/headwater/store/v1"
)

func pageToProto(p *correlate.Page) *storev1.Page {
	return &storev1.Page{
		Incident:   incidentToProto(&p.Incident),
		Seq:        p.Seq,
		Kind:       uint32(p.Kind),
		AtUnixNano: timeToNano(p.At),
		Reason:     p.Reason,
		Alerts:     each(p.Alerts, func(a correlate.AlertState) *storev1.AlertState { return alertToProto(&a) }),
		To:         p.To,
		Ring:       int64(p.Ring),
		Newcomers:  p.Newcomers,
		Owners:     p.Owners,
	}
}

func pageFromProto(p *storev1.Page) *correlate.Page {
	return &correlate.Page{
		Incident:  *incidentFromProto(p.GetIncident()),
		Seq:       p.GetSeq(),
		Kind:      correlate.PageKind(p.GetKind()),
		At:        timeFromNano(p.GetAtUnixNano()),
		Reason:    p.GetReason(),
		Alerts:    each(p.GetAlerts(), func(a *storev1.AlertState) correlate.AlertState { return *alertFromProto(a) }),
		To:        p.GetTo(),
		Ring:      int(p.GetRing()),
		Newcomers: p.GetNewcomers(),
		Owners:    p.GetOwners(),
	}
}

func deliveryToProto(d correlate.Delivery) *storev1.Delivery {
	return &storev1.Delivery{
		Receiver:       d.Receiver,
		Integration:    d.Integration,
		Index:          int64(d.Index),
		Attempts:       int64(d.Attempts),
		SentAtUnixNano: timeToNano(d.SentAt),
		LastError:      d.LastError,
		Skipped:        d.Skipped,
		Thread:         d.Thread,
		Ring:           int64(d.Ring),
	}
}

func deliveryFromProto(d *storev1.Delivery) correlate.Delivery {
	return correlate.Delivery{
		Receiver:    d.GetReceiver(),
		Integration: d.GetIntegration(),
		Index:       int(d.GetIndex()),
		Attempts:    int(d.GetAttempts()),
		SentAt:      timeFromNano(d.GetSentAtUnixNano()),
		LastError:   d.GetLastError(),
		Skipped:     d.GetSkipped(),
		Thread:      d.GetThread(),
		Ring:        int(d.GetRing()),
	}
}

func entryFromProto(p *storev1.Page, s *storev1.PageStatus) *correlate.OutboxEntry {
	return &correlate.OutboxEntry{
		Page:       pageFromProto(p),
		Deliveries: each(s.GetDeliveries(), deliveryFromProto),
		Done:       s.GetDone(),
		Superseded: s.GetSuperseded(),
	}
}

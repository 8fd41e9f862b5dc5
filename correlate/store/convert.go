package store

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/headwater-sre/headwater/correlate"
	storev1 "github.com/headwater-sre/headwater/proto/headwater/store/v1"
	"github.com/headwater-sre/headwater/topology"
)

// encode serialises a row. Protobuf refuses strings that are not UTF-8; a text
// that somebody cut in the middle of a letter must not stop every later commit,
// so such strings are repaired and the row is written all the same.
func encode(m proto.Message) ([]byte, error) {
	b, err := proto.Marshal(m)
	if err == nil {
		return b, nil
	}
	repairText(m.ProtoReflect())
	if b, err = proto.Marshal(m); err != nil {
		return nil, fmt.Errorf("encode %s: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	return b, nil
}

// decode reads a row back into m.
func decode(b []byte, m proto.Message) error {
	if err := proto.Unmarshal(b, m); err != nil {
		return fmt.Errorf("decode %s: %w", m.ProtoReflect().Descriptor().Name(), err)
	}
	return nil
}

// repairText replaces what is no UTF-8 in every string of m by U+FFFD.
func repairText(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsList() && f.Kind() == protoreflect.StringKind:
			for i := range v.List().Len() {
				v.List().Set(i, validText(v.List().Get(i).String()))
			}
		case f.IsList() && f.Kind() == protoreflect.MessageKind:
			for i := range v.List().Len() {
				repairText(v.List().Get(i).Message())
			}
		case f.Kind() == protoreflect.StringKind:
			m.Set(f, validText(v.String()))
		case f.Kind() == protoreflect.MessageKind:
			repairText(v.Message())
		}
		return true
	})
}

func validText(s string) protoreflect.Value {
	return protoreflect.ValueOfString(strings.ToValidUTF8(s, "\uFFFD"))
}

// epoch stands for 1970-01-01T00:00:00Z, since 0 means that there is no time.
const epoch = math.MinInt64

func timeToNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	if n := t.UnixNano(); n != 0 {
		return n
	}
	return epoch
}

func timeFromNano(n int64) time.Time {
	switch n {
	case 0:
		return time.Time{}
	case epoch:
		n = 0
	}
	return time.Unix(0, n).UTC()
}

// pairsOf lists names and values in turn, by name.
func pairsOf(m map[string]string) []string {
	if len(m) == 0 {
		return nil
	}
	out := make([]string, 0, 2*len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k, m[k])
	}
	return out
}

func mapOf(pairs []string) map[string]string {
	if len(pairs) == 0 {
		return nil
	}
	m := make(map[string]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// each converts a list; nothing in, nil out.
func each[A, B any](in []A, convert func(A) B) []B {
	if len(in) == 0 {
		return nil
	}
	out := make([]B, len(in))
	for i := range in {
		out[i] = convert(in[i])
	}
	return out
}

func refToProto(r topology.Ref) *storev1.Ref {
	if r.IsZero() {
		return nil
	}
	return &storev1.Ref{Namespace: r.Namespace, Name: r.Name}
}

func refFromProto(r *storev1.Ref) topology.Ref {
	return topology.Ref{Namespace: r.GetNamespace(), Name: r.GetName()}
}

func metaToProto(m correlate.Meta) *storev1.Meta {
	return &storev1.Meta{
		Pos:              m.Pos,
		NowUnixNano:      timeToNano(m.Now),
		NextIncident:     m.NextIncident,
		TopologyVersion:  m.TopologyVersion,
		SettleAtUnixNano: timeToNano(m.SettleAt),
		LastActionItem:   m.LastActionItem,
		LastMaintenance:  m.LastMaintenance,
	}
}

func metaFromProto(m *storev1.Meta) correlate.Meta {
	return correlate.Meta{
		Pos:             m.GetPos(),
		Now:             timeFromNano(m.GetNowUnixNano()),
		NextIncident:    m.GetNextIncident(),
		TopologyVersion: m.GetTopologyVersion(),
		SettleAt:        timeFromNano(m.GetSettleAtUnixNano()),
		LastActionItem:  m.GetLastActionItem(),
		LastMaintenance: m.GetLastMaintenance(),
	}
}

func alertToProto(a *correlate.AlertState) *storev1.AlertState {
	return &storev1.AlertState{
		Fingerprint:       a.Fingerprint,
		Labels:            pairsOf(a.Labels),
		Annotations:       pairsOf(a.Annotations),
		Status:            uint32(a.Status),
		StartsAtUnixNano:  timeToNano(a.StartsAt),
		EndsAtUnixNano:    timeToNano(a.EndsAt),
		GeneratorUrl:      a.GeneratorURL,
		Sender:            a.Sender,
		Service:           refToProto(a.Service),
		Caller:            refToProto(a.Caller),
		Mapped:            a.Mapped,
		MappedBy:          a.MappedBy,
		Class:             uint32(a.Class),
		Severity:          uint32(a.Severity),
		FirstSeenUnixNano: timeToNano(a.FirstSeen),
		LastSeenUnixNano:  timeToNano(a.LastSeen),
		EndedAtUnixNano:   timeToNano(a.EndedAt),
		Incident:          a.Incident,
		Fate:              &storev1.Fate{Kind: uint32(a.Fate.Kind), Text: a.Fate.Text, AtUnixNano: timeToNano(a.Fate.At)},
		Archived:          a.Archived,
		Revision:          a.Revision,
		Opening:           a.Opening,
		Truncated:         int64(a.Truncated),
		Bond:              a.Bond,
		Muted:             a.Muted,
		Maintenance:       a.Maintenance,
		SenderUrl:         a.SenderURL,
		Detached:          a.Detached,
	}
}

func alertFromProto(a *storev1.AlertState) *correlate.AlertState {
	return &correlate.AlertState{
		Alert: correlate.Alert{
			Fingerprint:  a.GetFingerprint(),
			Labels:       mapOf(a.GetLabels()),
			Annotations:  mapOf(a.GetAnnotations()),
			Status:       correlate.AlertStatus(a.GetStatus()),
			StartsAt:     timeFromNano(a.GetStartsAtUnixNano()),
			EndsAt:       timeFromNano(a.GetEndsAtUnixNano()),
			GeneratorURL: a.GetGeneratorUrl(),
			Muted:        a.GetMuted(),
		},
		Sender:    a.GetSender(),
		SenderURL: a.GetSenderUrl(),
		Service:   refFromProto(a.GetService()),
		Caller:    refFromProto(a.GetCaller()),
		Mapped:    a.GetMapped(),
		MappedBy:  a.GetMappedBy(),
		Class:     correlate.Class(a.GetClass()),
		Severity:  correlate.Severity(a.GetSeverity()),
		FirstSeen: timeFromNano(a.GetFirstSeenUnixNano()),
		LastSeen:  timeFromNano(a.GetLastSeenUnixNano()),
		EndedAt:   timeFromNano(a.GetEndedAtUnixNano()),
		Incident:  a.GetIncident(),
		Fate: correlate.Fate{
			Kind: correlate.FateKind(a.GetFate().GetKind()),
			Text: a.GetFate().GetText(),
			At:   timeFromNano(a.GetFate().GetAtUnixNano()),
		},
		Archived:    a.GetArchived(),
		Revision:    a.GetRevision(),
		Opening:     a.GetOpening(),
		Truncated:   int(a.GetTruncated()),
		Bond:        a.GetBond(),
		Detached:    a.GetDetached(),
		Maintenance: a.GetMaintenance(),
	}
}

func changeToProto(c correlate.Change) *storev1.Change {
	return &storev1.Change{
		Service:    refToProto(c.Service),
		Kind:       c.Kind,
		Summary:    c.Summary,
		Link:       c.Link,
		AtUnixNano: timeToNano(c.At),
		Source:     c.Source,
	}
}

func changeFromProto(c *storev1.Change) correlate.Change {
	return correlate.Change{
		Service: refFromProto(c.GetService()),
		Kind:    c.GetKind(),
		Summary: c.GetSummary(),
		Link:    c.GetLink(),
		At:      timeFromNano(c.GetAtUnixNano()),
		Source:  c.GetSource(),
	}
}

func changeStateToProto(c *correlate.ChangeState) *storev1.ChangeState {
	return &storev1.ChangeState{Change: changeToProto(c.Change), Pos: c.Pos, Archived: c.Archived}
}

func changeStateFromProto(c *storev1.ChangeState) *correlate.ChangeState {
	return &correlate.ChangeState{Change: changeFromProto(c.GetChange()), Pos: c.GetPos(), Archived: c.GetArchived()}
}

func healthToProto(h *correlate.HealthState) *storev1.HealthState {
	out := &storev1.HealthState{
		Service:       refToProto(h.Service),
		Check:         h.Check,
		Status:        uint32(h.Status),
		LatencyNanos:  int64(h.Latency),
		Message:       h.Message,
		AtUnixNano:    timeToNano(h.At),
		SinceUnixNano: timeToNano(h.Since),
		Failures:      int64(h.Failures),
		Successes:     int64(h.Successes),
		TtlNanos:      int64(h.TTL),
		Revision:      h.Revision,
	}
	if h.Alert != (correlate.AlertID{}) {
		out.Alert = &storev1.AlertId{Fingerprint: h.Alert.Fingerprint, StartsAtUnixNano: h.Alert.StartsAt}
	}
	return out
}

func healthFromProto(h *storev1.HealthState) *correlate.HealthState {
	return &correlate.HealthState{
		Service:   refFromProto(h.GetService()),
		Check:     h.GetCheck(),
		Status:    correlate.HealthStatus(h.GetStatus()),
		Latency:   time.Duration(h.GetLatencyNanos()),
		Message:   h.GetMessage(),
		At:        timeFromNano(h.GetAtUnixNano()),
		Since:     timeFromNano(h.GetSinceUnixNano()),
		Failures:  int(h.GetFailures()),
		Successes: int(h.GetSuccesses()),
		TTL:       time.Duration(h.GetTtlNanos()),
		Alert: correlate.AlertID{
			Fingerprint: h.GetAlert().GetFingerprint(),
			StartsAt:    h.GetAlert().GetStartsAtUnixNano(),
		},
		Revision: h.GetRevision(),
	}
}

func statToProto(s correlate.Stat) *storev1.Stat {
	return &storev1.Stat{Key: s.Key, Count: s.Count, AtUnixNano: timeToNano(s.At)}
}

func statFromProto(s *storev1.Stat) correlate.Stat {
	return correlate.Stat{Key: s.GetKey(), Count: s.GetCount(), At: timeFromNano(s.GetAtUnixNano())}
}

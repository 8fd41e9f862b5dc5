package bus

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/store"
	streamv1 "github.com/headwater-sre/headwater/proto/headwater/stream/v1"
	"github.com/headwater-sre/headwater/topology"
)

// formatVersion is the version of the entries that this program writes, and the
// highest that it reads.
const formatVersion = 1

// deterministic: equal signals give equal bytes, so streams can be compared.
var deterministic = proto.MarshalOptions{Deterministic: true}

// encodeEntry is the inverse of [decodeEntry].
func encodeEntry(sig correlate.Signal, received time.Time) ([]byte, error) {
	e := &streamv1.Entry{FormatVersion: formatVersion, ReceivedAtUnixNano: toNano(received)}
	switch s := sig.(type) {
	case *correlate.AlertBatch:
		e.Signal = &streamv1.Entry_Alerts{Alerts: toAlertBatch(s)}
	case *correlate.HealthBatch:
		e.Signal = &streamv1.Entry_Health{Health: toHealthBatch(s)}
	case *correlate.Change:
		e.Signal = &streamv1.Entry_Change{Change: toChange(s)}
	case *correlate.Command:
		e.Signal = &streamv1.Entry_Command{Command: toCommand(s)}
	case *correlate.TopologyReport:
		e.Signal = &streamv1.Entry_Topology{Topology: toTopology(s)}
	case *correlate.Import:
		e.Signal = &streamv1.Entry_Import{Import: &streamv1.Import{Environment: s.Environment, Actor: s.Actor, Source: s.Source, Rows: store.ArchiveToProto(s)}}
	case correlate.Tick, nil:
		e.Signal = &streamv1.Entry_Tick{Tick: &streamv1.Tick{}}
	default:
		return nil, fmt.Errorf("encode signal: %T is none that the stream knows", sig)
	}
	data, err := deterministic.Marshal(e)
	if err != nil {
		// Only strings that are not UTF-8 get here; ingest's decoders let none through.
		return nil, fmt.Errorf("encode %T: %w", sig, err)
	}
	return data, nil
}

// decodeEntry reads what [encodeEntry] of this or an older program wrote. Times
// come back in UTC, and empty maps and slices as nil.
func decodeEntry(data []byte) (correlate.Signal, error) {
	var e streamv1.Entry
	if err := proto.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("decode entry: %w", err)
	}
	if v := e.GetFormatVersion(); v == 0 || v > formatVersion {
		return nil, fmt.Errorf("decode entry: format version %d, this program reads up to %d", v, formatVersion)
	}
	switch s := e.GetSignal().(type) {
	case *streamv1.Entry_Alerts:
		return fromAlertBatch(s.Alerts)
	case *streamv1.Entry_Health:
		return fromHealthBatch(s.Health)
	case *streamv1.Entry_Change:
		return fromChange(s.Change), nil
	case *streamv1.Entry_Command:
		return fromCommand(s.Command)
	case *streamv1.Entry_Topology:
		return fromTopology(s.Topology)
	case *streamv1.Entry_Import:
		out := store.ArchiveFromProto(s.Import.GetRows())
		out.Environment, out.Actor, out.Source = s.Import.GetEnvironment(), s.Import.GetActor(), s.Import.GetSource()
		return out, nil
	case *streamv1.Entry_Tick:
		return correlate.Tick{}, nil
	}
	return nil, errors.New("decode entry: it holds no signal that this program knows")
}

// symbolTable numbers the strings of a batch in the order of their first use.
type symbolTable struct {
	index   map[string]uint32
	symbols []string
}

func (t *symbolTable) ref(s string) uint32 {
	if i, ok := t.index[s]; ok {
		return i
	}
	i := uint32(len(t.symbols)) // bounded by the size of a request
	t.index[s] = i
	t.symbols = append(t.symbols, s)
	return i
}

// pairs appends the references of m's names and values to refs, sorted by name.
func (t *symbolTable) pairs(m map[string]string, names []string) (refs []uint32, scratch []string) {
	if len(m) == 0 {
		return nil, names
	}
	names = slices.AppendSeq(names[:0], maps.Keys(m))
	slices.Sort(names)
	refs = make([]uint32, 0, 2*len(names))
	for _, n := range names {
		refs = append(refs, t.ref(n), t.ref(m[n]))
	}
	return refs, names
}

func toAlertBatch(b *correlate.AlertBatch) *streamv1.AlertBatch {
	table := symbolTable{index: make(map[string]uint32, 64)}
	var names []string
	rows := make([]streamv1.Alert, len(b.Alerts))
	alerts := make([]*streamv1.Alert, len(b.Alerts))
	for i := range b.Alerts {
		a, row := &b.Alerts[i], &rows[i]
		row.Fingerprint = a.Fingerprint
		row.LabelRefs, names = table.pairs(a.Labels, names)
		row.AnnotationRefs, names = table.pairs(a.Annotations, names)
		row.Status = streamv1.AlertStatus_ALERT_STATUS_FIRING
		if a.Status == correlate.Resolved {
			row.Status = streamv1.AlertStatus_ALERT_STATUS_RESOLVED
		}
		row.StartsAtUnixNano, row.EndsAtUnixNano = toNano(a.StartsAt), toNano(a.EndsAt)
		row.GeneratorUrl, row.Muted = a.GeneratorURL, a.Muted
		alerts[i] = row
	}
	return &streamv1.AlertBatch{
		Source: b.Source, Receiver: b.Receiver, GroupKey: b.GroupKey, ExternalUrl: b.ExternalURL,
		Truncated: uint64(max(b.Truncated, 0)), Symbols: table.symbols, Alerts: alerts,
	}
}

func fromAlertBatch(b *streamv1.AlertBatch) (*correlate.AlertBatch, error) {
	out := &correlate.AlertBatch{
		Source: b.GetSource(), Receiver: b.GetReceiver(), GroupKey: b.GetGroupKey(),
		ExternalURL: b.GetExternalUrl(), Truncated: int(min(b.GetTruncated(), math.MaxInt32)),
	}
	if n := len(b.GetAlerts()); n > 0 {
		out.Alerts = make([]correlate.Alert, n)
	}
	for i, row := range b.GetAlerts() {
		a := &out.Alerts[i]
		var err error
		if a.Labels, err = fromPairs(row.GetLabelRefs(), b.GetSymbols()); err != nil {
			return nil, fmt.Errorf("decode entry: alert %d: labels: %w", i, err)
		}
		if a.Annotations, err = fromPairs(row.GetAnnotationRefs(), b.GetSymbols()); err != nil {
			return nil, fmt.Errorf("decode entry: alert %d: annotations: %w", i, err)
		}
		switch row.GetStatus() {
		case streamv1.AlertStatus_ALERT_STATUS_FIRING:
			a.Status = correlate.Firing
		case streamv1.AlertStatus_ALERT_STATUS_RESOLVED:
			a.Status = correlate.Resolved
		default:
			return nil, fmt.Errorf("decode entry: alert %d: status %d", i, row.GetStatus())
		}
		a.Fingerprint = row.GetFingerprint()
		a.StartsAt, a.EndsAt = fromNano(row.GetStartsAtUnixNano()), fromNano(row.GetEndsAtUnixNano())
		a.GeneratorURL, a.Muted = row.GetGeneratorUrl(), row.GetMuted()
	}
	return out, nil
}

func fromPairs(refs []uint32, symbols []string) (map[string]string, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	if len(refs)%2 != 0 {
		return nil, errors.New("odd number of references")
	}
	m := make(map[string]string, len(refs)/2)
	for i := 0; i < len(refs); i += 2 {
		n, v := refs[i], refs[i+1]
		if int64(max(n, v)) >= int64(len(symbols)) {
			return nil, fmt.Errorf("reference to symbol %d of %d", max(n, v), len(symbols))
		}
		m[symbols[n]] = symbols[v]
	}
	return m, nil
}

// Enums on the wire begin at 1, so that a field nobody set is not mistaken for
// the first value; ours begin at 0, in the same order. The round-trip test walks
// all values of each.

func toHealthBatch(b *correlate.HealthBatch) *streamv1.HealthBatch {
	out := &streamv1.HealthBatch{Source: b.Source, Results: make([]*streamv1.HealthResult, len(b.Results))}
	for i := range b.Results {
		r := &b.Results[i]
		out.Results[i] = &streamv1.HealthResult{
			Service: toRef(r.Service), Check: r.Check, Status: streamv1.HealthStatus(r.Status) + 1,
			LatencyNano: r.Latency.Nanoseconds(), AtUnixNano: toNano(r.At), Message: r.Message,
			FailureThreshold: int64(r.FailureThreshold), SuccessThreshold: int64(r.SuccessThreshold),
			Count: int64(r.Count), TtlNano: r.TTL.Nanoseconds(),
		}
	}
	return out
}

func fromHealthBatch(b *streamv1.HealthBatch) (*correlate.HealthBatch, error) {
	out := &correlate.HealthBatch{Source: b.GetSource()}
	if n := len(b.GetResults()); n > 0 {
		out.Results = make([]correlate.HealthResult, n)
	}
	for i, r := range b.GetResults() {
		status, err := fromEnum[correlate.HealthStatus](r.GetStatus(), streamv1.HealthStatus_name)
		if err != nil {
			return nil, fmt.Errorf("decode entry: health result %d: status: %w", i, err)
		}
		out.Results[i] = correlate.HealthResult{
			Service: fromRef(r.GetService()), Check: r.GetCheck(), Status: status,
			Latency: time.Duration(r.GetLatencyNano()), At: fromNano(r.GetAtUnixNano()),
			Message: r.GetMessage(), FailureThreshold: int(r.GetFailureThreshold()), SuccessThreshold: int(r.GetSuccessThreshold()),
			Count: int(r.GetCount()), TTL: time.Duration(r.GetTtlNano()),
		}
	}
	return out, nil
}

func toChange(c *correlate.Change) *streamv1.Change {
	return &streamv1.Change{
		Service: toRef(c.Service), Kind: c.Kind, Summary: c.Summary, Link: c.Link,
		AtUnixNano: toNano(c.At), Source: c.Source,
	}
}

func fromChange(c *streamv1.Change) *correlate.Change {
	return &correlate.Change{
		Service: fromRef(c.GetService()), Kind: c.GetKind(), Summary: c.GetSummary(), Link: c.GetLink(),
		At: fromNano(c.GetAtUnixNano()), Source: c.GetSource(),
	}
}

// The zero values of CommandKind and FigureKind exist on both sides.
func toCommand(c *correlate.Command) *streamv1.Command {
	out := &streamv1.Command{
		Kind: streamv1.CommandKind(c.Kind), Incident: c.Incident, Actor: c.Actor, Text: c.Text, Into: c.Into,
		Source: c.Source, IfRevision: c.IfRevision, Sev: uint32(c.Sev), Status: streamv1.IncidentStatus(c.Status),
		Role: c.Role, Who: c.Who, Public: c.Public,
	}
	if item := toActionItem(&c.Item); proto.Size(item) > 0 {
		out.Item = item
	}
	if window := toWindow(&c.Window); proto.Size(window) > 0 {
		out.Window = window
	}
	if c.Link != (correlate.LinkTarget{}) {
		out.Link = &streamv1.Link{Title: c.Link.Title, Url: c.Link.URL}
	}
	if !c.Service.IsZero() {
		out.Service = toRef(c.Service)
	}
	for _, id := range c.Alerts {
		out.Alerts = append(out.Alerts, &streamv1.AlertId{Fingerprint: id.Fingerprint, StartsAtUnixNano: id.StartsAt})
	}
	for _, s := range c.Services {
		out.Services = append(out.Services, toRef(s))
	}
	if c.Learned != (correlate.FigureSelection{}) {
		out.Learned = &streamv1.LearnedSelection{Kind: streamv1.LearnedKind(c.Learned.Kind), Subject: c.Learned.Subject}
	}
	return out
}

func fromCommand(c *streamv1.Command) (*correlate.Command, error) {
	if _, ok := streamv1.CommandKind_name[int32(c.GetKind())]; !ok {
		return nil, fmt.Errorf("decode entry: command kind %d is not known", c.GetKind())
	}
	if _, ok := streamv1.LearnedKind_name[int32(c.GetLearned().GetKind())]; !ok {
		return nil, fmt.Errorf("decode entry: kind %d of learned figures is not known", c.GetLearned().GetKind())
	}
	if _, ok := streamv1.IncidentStatus_name[int32(c.GetStatus())]; !ok {
		return nil, fmt.Errorf("decode entry: status %d of an incident is not known", c.GetStatus())
	}
	if c.GetSev() > uint32(correlate.Sev4) {
		return nil, fmt.Errorf("decode entry: severity %d of an incident is not known", c.GetSev())
	}
	if i := c.GetItem(); i.GetPriority() > uint32(correlate.PriorityHigh) || i.GetStatus() > uint32(correlate.ActionDropped) {
		return nil, fmt.Errorf("decode entry: priority %d or status %d of an action item is not known", i.GetPriority(), i.GetStatus())
	}
	out := &correlate.Command{
		Kind: correlate.CommandKind(c.GetKind()), Incident: c.GetIncident(), Actor: c.GetActor(), Text: c.GetText(),
		Service: fromRef(c.GetService()), Into: c.GetInto(),
		Source: c.GetSource(), IfRevision: c.GetIfRevision(), Sev: correlate.Sev(c.GetSev()), Status: correlate.Status(c.GetStatus()),
		Role: c.GetRole(), Who: c.GetWho(), Public: c.GetPublic(),
		Link:    correlate.LinkTarget{Title: c.GetLink().GetTitle(), URL: c.GetLink().GetUrl()},
		Item:    fromActionItem(c.GetItem()),
		Window:  fromWindow(c.GetWindow()),
		Learned: correlate.FigureSelection{Kind: correlate.FigureKind(c.GetLearned().GetKind()), Subject: c.GetLearned().GetSubject()},
	}
	for _, id := range c.GetAlerts() {
		out.Alerts = append(out.Alerts, correlate.AlertID{Fingerprint: id.GetFingerprint(), StartsAt: id.GetStartsAtUnixNano()})
	}
	for _, s := range c.GetServices() {
		out.Services = append(out.Services, fromRef(s))
	}
	return out, nil
}

func toActionItem(i *correlate.ActionItemEdit) *streamv1.ActionItemEdit {
	return &streamv1.ActionItemEdit{
		Id: i.ID, Fields: i.Fields, Text: i.Text, Assignee: i.Assignee, DueUnixNano: toNano(i.Due),
		Priority: uint32(i.Priority), Status: uint32(i.Status),
	}
}

func fromActionItem(i *streamv1.ActionItemEdit) correlate.ActionItemEdit {
	return correlate.ActionItemEdit{
		ID: i.GetId(), Fields: i.GetFields(), Text: i.GetText(), Assignee: i.GetAssignee(), Due: fromNano(i.GetDueUnixNano()),
		Priority: correlate.ActionPriority(i.GetPriority()), Status: correlate.ActionStatus(i.GetStatus()),
	}
}

func toWindow(w *correlate.MaintenanceEdit) *streamv1.MaintenanceEdit {
	out := &streamv1.MaintenanceEdit{
		Id: w.ID, Matchers: w.Matchers, Dependents: w.Dependents, FromUnixNano: toNano(w.From), UntilUnixNano: toNano(w.Until),
	}
	for _, s := range w.Services {
		out.Services = append(out.Services, toRef(s))
	}
	return out
}

func fromWindow(w *streamv1.MaintenanceEdit) correlate.MaintenanceEdit {
	out := correlate.MaintenanceEdit{
		ID: w.GetId(), Matchers: w.GetMatchers(), Dependents: w.GetDependents(), From: fromNano(w.GetFromUnixNano()), Until: fromNano(w.GetUntilUnixNano()),
	}
	for _, s := range w.GetServices() {
		out.Services = append(out.Services, fromRef(s))
	}
	return out
}

func toRef(r topology.Ref) *streamv1.ServiceRef {
	return &streamv1.ServiceRef{Namespace: r.Namespace, Name: r.Name}
}

func fromRef(r *streamv1.ServiceRef) topology.Ref {
	return topology.Ref{Namespace: r.GetNamespace(), Name: r.GetName()}
}

func fromEnum[T ~uint8, E ~int32](e E, names map[int32]string) (T, error) {
	if _, ok := names[int32(e)]; !ok || e < 1 {
		return 0, fmt.Errorf("value %d is not known", e)
	}
	return T(e - 1), nil
}

// The times that int64 nanoseconds can tell; what lies outside is moved to the
// nearest. Alertmanager's own zero time is not in there, hence the zero on the wire.
var (
	minTime = time.Unix(0, math.MinInt64)
	maxTime = time.Unix(0, math.MaxInt64)
)

func toNano(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Before(minTime):
		return math.MinInt64
	case t.After(maxTime):
		return math.MaxInt64
	}
	return t.UnixNano()
}

func fromNano(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

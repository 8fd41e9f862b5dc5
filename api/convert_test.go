package api

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/headwater-sre/headwater/api/cascade"
	"github.com/headwater-sre/headwater/correlate"
	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
	"github.com/headwater-sre/headwater/topology"
)

// conversions are all that leave the domain, each with the fields of the domain that
// the contract does not show, and why.
var conversions = []struct {
	name    string
	fill    any // a pointer
	convert func(any) proto.Message
	hidden  map[string]string
}{
	{
		name:    "incident",
		fill:    &correlate.Incident{},
		convert: func(v any) proto.Message { return incidentToProto(v.(*correlate.Incident)) },
		hidden: map[string]string{
			"Unsettled":           "the engine's own: to be judged again within the settling time",
			"Rejoined":            "the engine's own: how often it changed its mind",
			"ReviewAt":            "the engine's own: when it looks again at what recovered",
			"ReviewedUntil":       "as above",
			"Kept":                "how long rows are kept, on disk; commands that come too late say so",
			"Paging.SaidOrigin":   "Page.headline shows what was said",
			"Paging.SaidSeverity": "as above",
			"Paging.SaidServices": "as above",
			"Paging.RangSev":      "the reason of the next ring says from what to what",
			"Paging.NamedSev":     "as above",
			"Paging.RangServices": "as above",
			"Paging.RangOwner":    "as above",
		},
	},
	{
		name:    "page",
		fill:    &correlate.OutboxEntry{},
		convert: func(v any) proto.Message { return pageToProto(v.(*correlate.OutboxEntry)) },
		hidden: map[string]string{
			"Page.Incident": "the page shows its headline; the incident is the answer's own",
			"Page.Alerts":   "AlertService has them",
		},
	},
	{
		name:    "alert",
		fill:    &correlate.AlertState{},
		convert: func(v any) proto.Message { return alertToProto(v.(*correlate.AlertState)) },
		hidden: map[string]string{
			"Alert.Status": "how one notification had it; Active() is what holds",
			"Truncated":    "counted on the incident",
			"Bond":         "the engine's own: what a merge or a split put together stays together",
			"Opening":      "the engine's own: which incident keeps its id when alerts are divided anew",
		},
	},
	{
		name:    "action item",
		fill:    &correlate.ActionItem{},
		convert: func(v any) proto.Message { return actionItemToProto(v.(*correlate.ActionItem)) },
		hidden:  map[string]string{"CreatedRevision": "how the one that a command made is found"},
	},
	{
		name:    "health",
		fill:    &correlate.HealthState{},
		convert: func(v any) proto.Message { return healthToProto(v.(*correlate.HealthState)) },
		hidden:  map[string]string{"Forgotten": "such a row is none"},
	},
	{
		name:    "cascade's node",
		fill:    &cascade.Node{},
		convert: func(v any) proto.Message { return cascadeNodeToProto(*v.(*cascade.Node)) },
		hidden:  map[string]string{"Box.Order": "the places of the boxes say it"},
	},
	{
		name:    "cascade's edge",
		fill:    &cascade.Edge{},
		convert: func(v any) proto.Message { return cascadeEdgeToProto(*v.(*cascade.Edge)) },
	},
}

// A field that is added to the domain and forgotten here must not go unnoticed: clearing
// any field of a row that has all of them set must change what the client sees.
func TestEveryFieldOfTheDomainIsShown(t *testing.T) {
	for _, c := range conversions {
		t.Run(c.name, func(t *testing.T) {
			row := reflect.ValueOf(c.fill)
			seed := 0
			fill(row.Elem(), &seed)
			full := c.convert(c.fill)
			eachField(row.Elem(), "", func(path string, field reflect.Value) {
				if _, ok := hiddenBy(c.hidden, path); ok {
					return
				}
				kept := reflect.ValueOf(field.Interface())
				field.SetZero()
				without := c.convert(c.fill)
				field.Set(kept)
				if proto.Equal(full, without) {
					t.Errorf("%s is not converted", path)
				}
			})
		})
	}
}

// And the other way round: a field of the contract that nothing fills is a broken promise.
func TestEveryFieldOfTheContractIsFilled(t *testing.T) {
	filledElsewhere := map[protoreflect.FullName]bool{
		"headwater.v1.Incident.pages":    true, // other rows, see incidentService.view
		"headwater.v1.HealthCheck.probe": true, // no row: what the server's own prober knows
	}
	for _, c := range conversions {
		seed := 0
		fill(reflect.ValueOf(c.fill).Elem(), &seed)
		if a, ok := c.fill.(*correlate.AlertState); ok {
			a.EndedAt = time.Time{} // it cannot be active and ended; the other half is tested above
		}
		eachUnset(c.convert(c.fill).ProtoReflect(), func(f protoreflect.FullName) {
			if !filledElsewhere[f] && f != "headwater.v1.Alert.ended_at" {
				t.Errorf("%s: nothing fills %s", c.name, f)
			}
		})
	}
}

func TestTopologyIsShownInFull(t *testing.T) {
	g := testGraph(t)
	eachUnset(topologyToProto(g).ProtoReflect(), func(f protoreflect.FullName) {
		switch f {
		case "headwater.v1.ServiceRef.namespace": // implicit nodes have none
		default:
			if strings.HasPrefix(string(f), "headwater.v1.Service.") || strings.HasPrefix(string(f), "headwater.v1.Dependency.") {
				return // not every service has everything; the one below does
			}
			t.Errorf("nothing fills %s", f)
		}
	})
	for _, s := range topologyToProto(g).GetServices() {
		if s.GetShortName() == "cart" {
			eachUnset(s.ProtoReflect(), func(f protoreflect.FullName) { t.Errorf("nothing fills %s", f) })
		}
	}
}

func TestEnumsAreNamedAlike(t *testing.T) {
	check := func(enum protoreflect.EnumDescriptor, prefix string, offset int, name func(int) string, known int) {
		t.Helper()
		values := enum.Values()
		if got := values.Len() - offset; got != known {
			t.Errorf("%s has %d values, the domain has %d", enum.Name(), got, known)
		}
		for i := range known {
			v := values.ByNumber(protoreflect.EnumNumber(i + offset))
			if v == nil {
				t.Errorf("%s has no value for %q", enum.Name(), name(i))
				continue
			}
			word := strings.ToLower(strings.TrimPrefix(string(v.Name()), prefix))
			same := func(s string) string { return strings.NewReplacer("_", "", "-", "", " ", "").Replace(s) }
			if same(word) != same(name(i)) {
				t.Errorf("%s: %d is %q, in the domain %q", enum.Name(), i+offset, word, name(i))
			}
		}
	}
	domain := func(n int, name func(int) string) int { // values that have a name
		for i := range 256 {
			if s := name(i); s == fmt.Sprint(i) || strings.HasPrefix(s, "kind(") || strings.HasPrefix(s, "mode(") || (s == "unknown" && n > 0 && i >= n) {
				return i
			}
		}
		return 256
	}
	severity := func(i int) string { return correlate.Severity(i).String() }
	check(pb.Severity(0).Descriptor(), "SEVERITY_", 1, severity, domain(0, severity))
	class := func(i int) string { return correlate.Class(i).String() }
	check(pb.AlertClass(0).Descriptor(), "ALERT_CLASS_", 1, class, domain(0, class))
	fate := func(i int) string { return correlate.FateKind(i).String() }
	check(pb.FateKind(0).Descriptor(), "FATE_KIND_", 1, fate, domain(0, fate))
	state := func(i int) string { return correlate.IncidentState(i).String() }
	check(pb.IncidentState(0).Descriptor(), "INCIDENT_STATE_", 1, state, domain(0, state))
	timeline := func(i int) string { return correlate.TimelineKind(i).String() }
	check(pb.TimelineKind(0).Descriptor(), "TIMELINE_KIND_", 1, timeline, domain(0, timeline))
	health := func(i int) string { return correlate.HealthStatus(i).String() }
	check(pb.HealthStatus(0).Descriptor(), "HEALTH_STATUS_", 1, health, domain(0, health))
	figure := func(i int) string {
		if i == 0 {
			return "unspecified"
		}
		return correlate.FigureKind(i).String()
	}
	check(pb.LearnedKind(0).Descriptor(), "LEARNED_KIND_", 0, figure, domain(0, figure))
	term := func(i int) string { return correlate.Term(i).String() }
	check(pb.Term(0).Descriptor(), "TERM_", 0, term, domain(0, term))
	sev := func(i int) string { return strings.ToLower(correlate.Sev(i).String()) }
	check(pb.IncidentSeverity(0).Descriptor(), "INCIDENT_SEVERITY_", 0, sev, domain(0, sev))
	status := func(i int) string { return correlate.Status(i).String() }
	check(pb.IncidentStatus(0).Descriptor(), "INCIDENT_STATUS_", 1, status, domain(0, status))
	action := func(i int) string { return correlate.ActionStatus(i).String() }
	check(pb.ActionStatus(0).Descriptor(), "ACTION_STATUS_", 1, action, domain(0, action))
	priority := func(i int) string { return correlate.ActionPriority(i).String() }
	check(pb.ActionPriority(0).Descriptor(), "ACTION_PRIORITY_", 1, priority, domain(0, priority))
	page := func(i int) string { return strings.TrimSuffix(correlate.PageKind(i).String(), "d") } // "resolved" is a resolve
	check(pb.PageKind(0).Descriptor(), "PAGE_KIND_", 1, page, domain(0, page))
	hold := func(i int) string {
		if i == 0 {
			return "unspecified"
		}
		return correlate.HoldKind(i).String()
	}
	check(pb.HoldKind(0).Descriptor(), "HOLD_KIND_", 0, hold, domain(0, hold))
	role := func(i int) string { return cascade.Role(i).String() }
	check(pb.CascadeRole(0).Descriptor(), "CASCADE_ROLE_", 1, role, domain(0, role))
	link := func(i int) string { return cascade.Link(i).String() }
	check(pb.CascadeLink(0).Descriptor(), "CASCADE_LINK_", 1, link, domain(0, link))
	mode := func(i int) string { return topology.Mode(i).String() }
	check(pb.DependencyMode(0).Descriptor(), "DEPENDENCY_MODE_", 1, mode, domain(0, mode))
	effect := func(i int) string { return topology.Effect(i + 1).String() }
	check(pb.Effect(0).Descriptor(), "EFFECT_", 1, effect, domain(3, effect))
	kind := func(i int) string {
		if i == 0 {
			return "unspecified"
		}
		return topology.Kind(i).String()
	}
	check(pb.ServiceKind(0).Descriptor(), "SERVICE_KIND_", 0, kind, len(topology.KindNames()))
}

// The words of filters are the domain's.
func TestFilterWordsAreTheDomains(t *testing.T) {
	for name, c := range map[string]struct {
		words  []string
		domain func(int) string
	}{
		"severity": {severityWords, func(i int) string { return correlate.Severity(i).String() }},
		"state":    {stateWords, func(i int) string { return correlate.IncidentState(i).String() }},
		"class":    {classWords, func(i int) string { return correlate.Class(i).String() }},
		"fate":     {fateWords, func(i int) string { return correlate.FateKind(i).String() }},
		"progress": {statusWords, func(i int) string { return correlate.Status(i).String() }},
		"action":   {actionStatusWords, func(i int) string { return correlate.ActionStatus(i).String() }},
		"priority": {priorityWords, func(i int) string { return correlate.ActionPriority(i).String() }},
		"sev": {sevWords, func(i int) string {
			if i == int(correlate.Sev4) {
				return fmt.Sprint(i) // none above
			}
			return strings.ToLower(correlate.Sev(i + 1).String())
		}},
		"kind":   {figureWords, func(i int) string { return correlate.FigureKind(i).String() }},
		"status": {healthWords, func(i int) string { return correlate.HealthStatus(i).String() }},
	} {
		for i := range len(c.words) + 1 {
			want := c.domain(i)
			if i == len(c.words) {
				if want != fmt.Sprint(i) {
					t.Errorf("%s: filters do not know %q", name, want)
				}
			} else if c.words[i] != want {
				t.Errorf("%s: %q is %q in the domain", name, c.words[i], want)
			}
		}
	}
}

func hiddenBy(hidden map[string]string, path string) (string, bool) {
	for prefix := range hidden {
		if path == prefix || strings.HasPrefix(path, prefix+".") {
			return prefix, true
		}
	}
	return "", false
}

var timeType = reflect.TypeFor[time.Time]()

// fill sets every field to a value of its own, other than zero.
func fill(v reflect.Value, seed *int) {
	*seed++
	n := *seed
	switch {
	case v.Type() == timeType:
		v.Set(reflect.ValueOf(time.Unix(1_700_000_000+int64(n), 0).UTC()))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), seed)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), seed)
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), seed)
		fill(v.Index(1), seed)
	case v.Kind() == reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{fmt.Sprint("key", n): fmt.Sprint("value", n)}))
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprint("text", n))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.CanInt():
		v.SetInt(int64(n))
	case v.Kind() == reflect.Uint8: // an enum: any value but the first
		v.SetUint(1)
	case v.CanUint():
		v.SetUint(uint64(n))
	case v.CanFloat():
		v.SetFloat(float64(n) + 0.5)
	default:
		panic("fill: " + v.Type().String())
	}
}

// eachField calls fn for each field at any depth; of slices it looks into the first element.
func eachField(v reflect.Value, path string, fn func(string, reflect.Value)) {
	join := func(name string) string { return strings.TrimPrefix(path+"."+name, ".") }
	switch {
	case v.Type() == timeType:
	case v.Kind() == reflect.Pointer:
		eachField(v.Elem(), path, fn)
	case v.Kind() == reflect.Slice && v.Len() > 0:
		eachField(v.Index(0), path, fn)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			eachField(v.Field(i), join(name), fn)
			// A row without its page is none; what the page holds was looked at above.
			if v.Field(i).Type() != reflect.TypeFor[*correlate.Page]() {
				fn(join(name), v.Field(i))
			}
		}
	}
}

// eachUnset calls fn for each field of m, at any depth, that has its default.
func eachUnset(m protoreflect.Message, fn func(protoreflect.FullName)) {
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		if !m.Has(f) {
			fn(f.FullName())
			continue
		}
		if f.Message() == nil || f.IsMap() || !strings.HasPrefix(string(f.Message().FullName()), "headwater.") {
			continue
		}
		if !f.IsList() {
			eachUnset(m.Get(f).Message(), fn)
			continue
		}
		for n := range m.Get(f).List().Len() {
			eachUnset(m.Get(f).List().Get(n).Message(), fn)
		}
	}
}

func testGraph(t testing.TB) *topology.Graph {
	g, _, err := topology.Build(testSpec())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

var sightedByMesh = topology.Sighting{
	Source: "mesh", FirstSeen: startOfTests.Add(-time.Hour), LastSeen: startOfTests,
	RequestsPerSecond: topology.Measured(12.5), ErrorRatio: topology.Measured(0.01),
}

func testSpec() topology.Spec {
	ref := func(name string) topology.Ref { return topology.Ref{Namespace: "shop", Name: name} }
	return topology.Spec{
		Version: "v7",
		Services: []topology.Service{
			{Name: "web", Namespace: "shop", Kind: topology.KindFrontend},
			{
				Name: "cart", Namespace: "shop", Kind: topology.KindAPI, Owner: "team-cart", Tier: 1,
				Labels: map[string]string{"app": "cart"}, Runbook: "https://runbooks.example/cart",
				Links: map[string]string{"dashboard": "https://dash.example/cart"}, RunsOn: []string{"node-1"},
				Aliases: []string{"cart-svc"}, Seen: []topology.Sighting{sightedByMesh},
			},
			{Name: "users", Namespace: "shop", Kind: topology.KindAPI},
			{Name: "redis-a", Namespace: "shop", Kind: topology.KindCache},
			{Name: "redis-b", Namespace: "shop", Kind: topology.KindCache},
		},
		Dependencies: []topology.Dependency{
			{From: ref("web"), To: ref("cart"), Seen: []topology.Sighting{sightedByMesh}},
			{From: ref("cart"), To: ref("users")},
			{From: ref("users"), To: ref("cart"), Mode: topology.ModeSoft},
			{From: ref("cart"), To: ref("redis-a"), Group: "redis"},
			{From: ref("cart"), To: ref("redis-b"), Group: "redis"},
		},
		Groups: []topology.Group{{From: ref("cart"), Name: "redis", Need: 1}},
	}
}

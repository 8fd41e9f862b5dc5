package day

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// verb is what an operator does, in words.
type verb struct {
	method string
	// fields are the request's, in the order of the words. The last one takes all words
	// that are left; with "…" behind its name it is a list.
	fields string
	// fixed are fields that the verb itself sets, as "name=value".
	fixed string
}

// verbs are what operators do most. `call` does anything else.
var verbs = map[string]verb{
	"acknowledge":   {"IncidentService/AcknowledgeIncident", "id note", ""},
	"resolve":       {"IncidentService/ResolveIncident", "id reason", ""},
	"note":          {"IncidentService/AddIncidentNote", "id note", ""},
	"update":        {"IncidentService/AddIncidentUpdate", "id text", ""},
	"public-update": {"IncidentService/AddIncidentUpdate", "id text", "public=true"},
	"severity":      {"IncidentService/SetIncidentSeverity", "id severity note", ""},
	"status":        {"IncidentService/SetIncidentStatus", "id status note", ""},
	"close":         {"IncidentService/SetIncidentStatus", "id note", "status=closed"},
	"assign":        {"IncidentService/AssignIncidentRole", "id role assignee", ""},
	"link":          {"IncidentService/SetIncidentLink", "id title url", ""},
	"set-origin":    {"IncidentService/SetIncidentOrigin", "id service note", ""},
	"merge":         {"IncidentService/MergeIncidents", "id into note", ""},
	"split":         {"IncidentService/SplitIncident", "id services…", ""},
	"detach":        {"IncidentService/DetachIncidentAlerts", "id services…", ""},
	"action-item":   {"ActionItemService/CreateActionItem", "incident text", ""},
}

// newCall reads "<verb> …" or "call <Service>/<Method> {json}".
func newCall(actor string, w []string) (*Call, error) {
	if w[0] == "call" {
		if len(w) != 3 {
			return nil, errors.New(`want: call <Service>/<Method> {"field": "value", …}`)
		}
		c, err := callOf(actor, w[1])
		if err != nil {
			return nil, err
		}
		c.Says = w[1] + " " + w[2]
		if err := protojson.Unmarshal([]byte(w[2]), c.Request); err != nil {
			return nil, fmt.Errorf("%s: %w", w[1], err)
		}
		c.sign()
		return c, nil
	}
	v, ok := verbs[w[0]]
	if !ok {
		return nil, fmt.Errorf("%q is nothing that people do; want one of %s, or call", w[0], strings.Join(slices.Sorted(maps.Keys(verbs)), ", "))
	}
	c, err := callOf(actor, v.method)
	if err != nil {
		return nil, err
	}
	c.Says = strings.Join(w, " ")
	for _, set := range strings.Fields(v.fixed) {
		name, value, _ := strings.Cut(set, "=")
		if err := setField(c.Request.ProtoReflect(), name, []string{value}); err != nil {
			return nil, err
		}
	}
	fields, args := strings.Fields(v.fields), w[1:]
	if len(args) == 0 {
		return nil, fmt.Errorf("want: %s <%s>", w[0], strings.Join(fields, "> <"))
	}
	for i, name := range fields {
		if len(args) == 0 {
			break
		}
		value := args[:1]
		if i == len(fields)-1 {
			value = args
		}
		if err := setField(c.Request.ProtoReflect(), name, value); err != nil {
			return nil, err
		}
		args = args[len(value):]
	}
	return c, nil
}

// callOf is an empty call of a method, which may be given without its package.
func callOf(actor, method string) (*Call, error) {
	method = strings.TrimPrefix(method, "/")
	service, name, ok := strings.Cut(method, "/")
	if !ok {
		return nil, fmt.Errorf("%q is no method; want one such as IncidentService/GetIncident", method)
	}
	if !strings.Contains(service, ".") {
		service = string(headwaterv1.File_headwater_v1_incident_proto.Package()) + "." + service
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + name))
	m, isMethod := d.(protoreflect.MethodDescriptor)
	if err != nil || !isMethod || m.IsStreamingServer() || m.IsStreamingClient() {
		return nil, fmt.Errorf("there is no method %s that is called once and answers once", method)
	}
	request, err := protoregistry.GlobalTypes.FindMessageByName(m.Input().FullName())
	if err != nil {
		return nil, err
	}
	response, err := protoregistry.GlobalTypes.FindMessageByName(m.Output().FullName())
	if err != nil {
		return nil, err
	}
	c := &Call{Actor: actor, Method: "/" + service + "/" + name, Request: request.New().Interface(), Response: response.New().Interface()}
	c.sign()
	return c, nil
}

// sign says in the request who it is from, where it has room for that.
func (c *Call) sign() {
	m := c.Request.ProtoReflect()
	if f := m.Descriptor().Fields().ByName("actor"); f != nil {
		m.Set(f, protoreflect.ValueOfString(c.Actor))
	}
}

// setField sets a field to words, by what it is.
func setField(m protoreflect.Message, name string, w []string) error {
	list := strings.HasSuffix(name, "…")
	f := m.Descriptor().Fields().ByName(protoreflect.Name(strings.TrimSuffix(name, "…")))
	text := strings.Join(w, " ")
	switch {
	case f == nil:
		return fmt.Errorf("%s has no field %s", m.Descriptor().Name(), name)
	case list:
		l := m.Mutable(f).List()
		for _, one := range w {
			l.Append(protoreflect.ValueOfString(one))
		}
	case f.Kind() == protoreflect.BoolKind:
		m.Set(f, protoreflect.ValueOfBool(text == "true"))
	case f.Kind() == protoreflect.EnumKind:
		n, err := enumNumber(f.Enum(), text)
		if err != nil {
			return err
		}
		m.Set(f, protoreflect.ValueOfEnum(n))
	default:
		m.Set(f, protoreflect.ValueOfString(text))
	}
	return nil
}

// enumNumber reads a value by its name or the end of it, as in "closed".
func enumNumber(e protoreflect.EnumDescriptor, text string) (protoreflect.EnumNumber, error) {
	want := strings.ToUpper(strings.NewReplacer("-", "_", " ", "_").Replace(text))
	var names []string
	for i := range e.Values().Len() {
		v := e.Values().Get(i)
		if name := string(v.Name()); name == want || strings.HasSuffix(name, "_"+want) {
			return v.Number(), nil
		}
		names = append(names, strings.ToLower(string(v.Name())))
	}
	return 0, fmt.Errorf("%q is none of %s", text, strings.Join(names, ", "))
}

package settings

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/template"
	syntax "text/template/parse"
	"time"

	matchers "github.com/prometheus/alertmanager/matcher/parse"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/topology"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// SectionLinks is the section of templates of links that every incident gets.
const SectionLinks = "links"

const (
	maxLinkTemplates = 16
	// linkMargin is how much of the time before and after an incident a link shows.
	linkMargin  = 15 * time.Minute
	maxLinkSize = 2048 // of an address, in bytes
)

// linkTemplate is one entry of the section.
type linkTemplate struct {
	title    string
	url      *template.Template
	matchers labels.Matchers
}

// linker implements [correlate.Linker].
type linker []linkTemplate

// Links implements [correlate.Linker]. A template that has nothing to name, such as the
// origin of an incident without one, gives no link.
func (all linker) Links(inc *correlate.Incident) (out []correlate.LinkTarget) {
	set := make(model.LabelSet)
	for name, value := range inc.RouteLabels() {
		set[model.LabelName(name)] = model.LabelValue(value)
	}
	data := newLinkData(inc)
	for i := range all {
		if !all[i].matchers.Matches(set) {
			continue
		}
		if address, err := all[i].address(data); err == nil {
			out = append(out, correlate.LinkTarget{Title: all[i].title, URL: address})
		}
	}
	return out
}

// address executes the template.
func (t *linkTemplate) address(data *linkData) (string, error) {
	var b strings.Builder
	if err := t.url.Execute(&b, data); err != nil {
		return "", err
	}
	text := b.String()
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", err
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", fmt.Errorf("%q is no address such as https://grafana.example.com/d/service", text)
	case strings.ContainsAny(text, " \t\r\n"):
		return "", fmt.Errorf("%q holds a blank", text)
	case len(text) > maxLinkSize:
		return "", fmt.Errorf("the address is %d bytes long, more than %d", len(text), maxLinkSize)
	}
	return text, nil
}

// linkData is what a template can name. Texts are escaped for an address already.
type linkData struct {
	ID, Environment, Severity, Sev string
	Origin                         *linkService // nil: unknown
	// From and To are the incident with some time around it; To is "now" while it is open.
	From, To             string // RFC 3339
	FromMillis, ToMillis string // of the Unix epoch
}

type linkService struct{ Name, Namespace, Kind, Owner string }

func newLinkData(inc *correlate.Incident) *linkData {
	from := inc.StartedAt.Add(-linkMargin).UTC()
	d := &linkData{
		ID: escaped(inc.ID), Environment: escaped(inc.Environment), Severity: inc.Severity.String(), Sev: inc.Sev.String(),
		From: escaped(from.Format(time.RFC3339)), FromMillis: strconv.FormatInt(from.UnixMilli(), 10), To: "now", ToMillis: "now",
	}
	if !inc.ResolvedAt.IsZero() {
		to := inc.ResolvedAt.Add(linkMargin).UTC()
		d.To, d.ToMillis = escaped(to.Format(time.RFC3339)), strconv.FormatInt(to.UnixMilli(), 10)
	}
	if o := inc.Origin(); o != nil {
		d.Origin = &linkService{escaped(o.Service.Name), escaped(o.Service.Namespace), o.Kind.String(), escaped(o.Owner)}
	}
	return d
}

// escaped is right in a path as well as in a query.
func escaped(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func (e *Engine) readLinks(n *yaml.Node, path string) {
	var all linker
	e.List(n, path, func(n *yaml.Node, path string) {
		t, ok := e.readLink(n, path)
		switch {
		case !ok:
		case slices.ContainsFunc(all, func(have linkTemplate) bool { return have.title == t.title }):
			e.Bad(n, path, "there are two links %q; rename one", t.title)
		case len(all) == maxLinkTemplates:
			e.Bad(n, path, "is one more than the %d that a page has room for; remove one", maxLinkTemplates)
		default:
			all = append(all, t)
		}
	})
	if len(all) > 0 {
		e.Config.Linker = all
	}
}

func (e *Engine) readLink(n *yaml.Node, path string) (t linkTemplate, ok bool) {
	before := e.Count()
	e.Mapping(n, path, []strictyaml.Field{
		{Name: "title", Read: func(n *yaml.Node, path string) { t.title, _ = e.Scalar(n, path, "a title such as Grafana") }},
		{Name: "url", Read: func(n *yaml.Node, path string) { t.url = e.readLinkURL(n, path) }},
		{Name: "matchers", Read: func(n *yaml.Node, path string) {
			e.List(n, path, func(n *yaml.Node, path string) { e.readMatcher(n, path, &t.matchers) })
		}},
	})
	if e.Count() == before && (t.title == "" || t.url == nil) {
		e.Bad(n, path, "needs both title and url; write {title: Grafana, url: 'https://grafana.example.com/d/service?var-service={{ .Origin.Name }}'}")
	}
	return t, e.Count() == before
}

func (e *Engine) readMatcher(n *yaml.Node, path string, into *labels.Matchers) {
	text, ok := e.Scalar(n, path, `a matcher such as origin="mysql"`)
	if !ok {
		return
	}
	m, err := matchers.Matcher(text)
	if err != nil {
		e.Bad(n, path, "%q is no matcher: %v; write one as in Alertmanager's routes, such as origin=\"mysql\"", text, err)
		return
	}
	*into = append(*into, m)
}

// readLinkURL reads a template and tries it on an incident.
func (e *Engine) readLinkURL(n *yaml.Node, path string) *template.Template {
	text, ok := e.Scalar(n, path, "the template of an address")
	if !ok {
		return nil
	}
	t, err := template.New(path).Option("missingkey=error").Parse(text)
	if err == nil {
		err = harmless(t.Root)
	}
	if err == nil && len(t.Templates()) > 1 {
		err = errors.New("define is of no use here")
	}
	if err == nil {
		_, err = (&linkTemplate{url: t}).address(newLinkData(&sampleIncident))
	}
	if err != nil {
		e.Bad(n, path, "%s; what a template can name is in docs/receivers.md", strings.TrimPrefix(err.Error(), "template: "+path+":"))
		return nil
	}
	return t
}

// sampleIncident has everything that a template can name.
var sampleIncident = correlate.Incident{
	ID: "INC-1", Environment: "default", Severity: correlate.SeverityCritical, Sev: correlate.Sev1,
	StartedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), ResolvedAt: time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC),
	Origins: []correlate.Origin{{Service: topology.Ref{Namespace: "shop", Name: "mysql"}, Kind: topology.KindDatabase, Owner: "storage"}},
}

// harmless refuses what a link has no need of, loops above all: a template is executed
// while the engine waits.
func harmless(n syntax.Node) error {
	switch n := n.(type) {
	case nil, *syntax.TextNode, *syntax.ActionNode, *syntax.CommentNode:
		return nil
	case *syntax.ListNode:
		if n == nil { // there is no else
			return nil
		}
		for _, child := range n.Nodes {
			if err := harmless(child); err != nil {
				return err
			}
		}
		return nil
	case *syntax.IfNode:
		return errors.Join(harmless(n.List), harmless(n.ElseList))
	case *syntax.WithNode:
		return errors.Join(harmless(n.List), harmless(n.ElseList))
	}
	return fmt.Errorf("%s is of no use here; values, if and with are", n)
}

package source

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/headwater-sre/headwater/correlate/settings"
	"github.com/headwater-sre/headwater/ingest/change"
	"github.com/headwater-sre/headwater/ingest/github"
	"github.com/headwater-sre/headwater/ingest/mapping"
	"github.com/headwater-sre/headwater/ingest/reply"
	"github.com/headwater-sre/headwater/topology/strictyaml"
)

// Section is the name of the section that [Read] reads.
const Section = "sources"

// Reader reads the section. Problems go to Values.
type Reader struct {
	*settings.Values
	// Dir is the folder that relative paths are taken from.
	Dir string

	sources []*Source
}

// Read reads the list of sources. It returns those in which nothing is wrong.
func (r *Reader) Read(n *yaml.Node, path string) []*Source {
	r.List(n, path, r.source)
	return r.sources
}

// Load reads the sources of the configuration file at path, and nothing else of it.
func Load(path string) ([]*Source, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Reader{Values: settings.NewValues(path), Dir: filepath.Dir(path)}
	root := r.Document(string(text))
	if root != nil {
		content := strictyaml.Target(root).Content
		for i := 0; i+1 < len(content); i += 2 {
			if content[i].Value == Section {
				r.Read(content[i+1], Section)
			}
		}
	}
	return r.sources, r.Err()
}

// namePattern fits into a path and a NATS subject.
var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// reserved are names that the engine understands as something else.
var reserved = []string{"alertmanager", "prometheus", "reconciliation", "health"}

// entry is a source as it is read.
type entry struct {
	*Reader
	Source
	options

	endsAfter time.Duration
	cel       *yaml.Node
	celPath   string
}

func (r *Reader) source(n *yaml.Node, path string) {
	before := r.Count()
	e := &entry{Reader: r, Source: Source{Kind: KindEvents}}
	r.Mapping(n, path, []strictyaml.Field{
		{Name: "name", Read: e.readName},
		{Name: "kind", Read: e.readKind},
		{Name: "bearer_token_file", Read: e.file(&e.BearerTokenFile)},
		{Name: "hmac_secret_file", Read: e.file(&e.HMACSecretFile)},
		{Name: "hmac_header", Read: func(n *yaml.Node, path string) { e.HMACHeader, _ = r.Scalar(n, path, "the name of a header") }},
		{Name: "services", Read: func(n *yaml.Node, path string) { e.names = Names(r.Values, n, path) }},
		{Name: "environments", Read: func(n *yaml.Node, path string) { r.List(n, path, e.readEnvironment) }},
		{Name: "ends_after", Read: e.readEndsAfter},
		{Name: "cel", Read: func(n *yaml.Node, path string) { e.cel, e.celPath = n, path }},
	})
	if r.Count() == before {
		e.check(n, path)
	}
	if r.Count() != before {
		return
	}
	s := e.Source
	s.Path, s.decode = "/webhook/source/"+s.Name, decoder(s.Kind, e.options)
	r.sources = append(r.sources, &s)
}

func (e *entry) readName(n *yaml.Node, path string) {
	const want = "a name such as deadlock-monitor: lower-case letters, digits and -"
	s, ok := e.Scalar(n, path, want)
	switch {
	case !ok:
		return
	case !namePattern.MatchString(s):
		e.Bad(n, path, "%q is not %s", s, want)
	case slices.Contains(reserved, s):
		e.Bad(n, path, "%q means something else to the engine; write another name, such as %s-2", s, s)
	case slices.ContainsFunc(e.sources, func(o *Source) bool { return o.Name == s }):
		e.Bad(n, path, "%q is the name of two sources; rename one", s)
	}
	e.Name = s
}

func (e *entry) readKind(n *yaml.Node, path string) {
	want := "one of " + strings.Join(Kinds(), ", ")
	s, ok := e.Scalar(n, path, want)
	if ok && !slices.Contains(Kinds(), s) {
		e.Bad(n, path, "unknown kind %q; write %s", s, want)
	}
	e.Kind = s
}

func (e *entry) file(into *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		name, ok := e.Scalar(n, path, "the path of a file with the secret on its first line")
		if !ok {
			return
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(e.Dir, name)
		}
		var missing *fs.PathError
		if _, err := os.Stat(name); errors.As(err, &missing) {
			e.Bad(n, path, "%q: %v; a relative path begins at the folder of this file", name, missing.Err)
		}
		*into = name
	}
}

// Names reads rules that map names to services.
func Names(v *settings.Values, n *yaml.Node, path string) (names change.Names) {
	v.List(n, path, func(n *yaml.Node, path string) {
		if rule, ok := readRule(v, n, path); ok {
			names = append(names, rule)
		}
	})
	return names
}

func readRule(v *settings.Values, n *yaml.Node, path string) (rule change.NameRule, ok bool) {
	service := false
	v.Mapping(n, path, []strictyaml.Field{
		{Name: "match", Read: func(n *yaml.Node, path string) {
			s, ok := v.Scalar(n, path, "a regular expression for whole names")
			if !ok {
				return
			}
			re, err := regexp.Compile(`^(?:` + s + `)$`)
			if err != nil {
				v.Bad(n, path, "%q is not a regular expression; see https://github.com/google/re2/wiki/Syntax", s)
				return
			}
			rule.Match = re
		}},
		{Name: "service", Read: func(n *yaml.Node, path string) {
			service = true
			if n = strictyaml.Target(n); n.Kind == yaml.ScalarNode {
				rule.Service = n.Value
				return
			}
			v.Bad(n, path, `is %s; write "namespace/name", or "" for what is not to be taken`, v.Describe(n))
		}},
	})
	if rule.Match == nil || !service {
		v.Bad(n, path, `needs both match and service; write {match: '(.+)-prod', service: 'shop/$1'}`)
		return rule, false
	}
	return rule, true
}

func (e *entry) readEnvironment(n *yaml.Node, path string) {
	if s, ok := e.Scalar(n, path, "an environment as the sender calls it, such as production"); ok {
		e.environments = append(e.environments, s)
	}
}

func (e *entry) readEndsAfter(n *yaml.Node, path string) {
	v, ok := e.Duration(n, path)
	if ok && v == 0 {
		e.Bad(n, path, "0s would end every alert at once; write a duration such as 15m")
	}
	e.endsAfter = time.Duration(v)
}

// hmacHeaders are where the kinds have their signature.
var hmacHeaders = map[string]string{
	KindGitHub: github.SignatureHeader, KindFlux: "X-Signature", KindPagerDuty: reply.PagerDutySignature, KindSlack: reply.SlackSignature,
}

// takesNames are the kinds whose names of things are mapped by `services`.
var takesNames = []string{KindArgoCD, KindFlux, KindGitHub, KindCloudEvents}

// check looks at what the settings mean together.
func (e *entry) check(n *yaml.Node, path string) {
	if e.HMACSecretFile != "" && e.HMACHeader == "" {
		e.HMACHeader = hmacHeaders[e.Kind]
	}
	mapped := e.Kind == KindEvents || e.Kind == KindCloudEvents
	switch {
	case e.Name == "":
		e.Bad(n, path, "needs a name; its address is /webhook/source/NAME")
	case (e.Kind == KindPagerDuty || e.Kind == KindSlack) && e.HMACSecretFile == "":
		e.Bad(n, path, "needs hmac_secret_file: a source of kind %s acts in the names of people, and its requests are signed", e.Kind)
	case e.Kind == KindOpsgenie && e.BearerTokenFile == "":
		e.Bad(n, path, "needs bearer_token_file: a source of kind %s acts in the names of people; have its webhook send the header Authorization: Bearer TOKEN", e.Kind)
	case e.BearerTokenFile != "" && e.HMACSecretFile != "":
		e.Bad(n, path, "has both bearer_token_file and hmac_secret_file; remove one")
	case e.HMACSecretFile != "" && e.HMACHeader == "":
		e.Bad(n, path, "needs hmac_header: a source of kind %s has no usual one", e.Kind)
	case e.HMACSecretFile == "" && e.HMACHeader != "":
		e.Bad(n, path, "has hmac_header without hmac_secret_file; add it")
	case e.cel != nil && !mapped:
		e.Bad(e.cel, e.celPath, "a source of kind %s has a body of its own that needs no mapping; remove it, or write kind: events", e.Kind)
	case e.cel == nil && e.Kind == KindEvents:
		e.Bad(n, path, "needs cel, which says what its events mean; or kind, for senders that are known: %s", strings.Join(Kinds()[1:], ", "))
	case e.cel == nil && e.endsAfter > 0:
		e.Bad(n, path, "ends_after has no effect without cel; remove it")
	case len(e.names) > 0 && (e.cel != nil || !slices.Contains(takesNames, e.Kind)):
		e.Bad(n, path, "services has no effect here; kinds %s have it, where cel does not say the service", strings.Join(takesNames, ", "))
	case len(e.environments) > 0 && e.Kind != KindGitHub:
		e.Bad(n, path, "environments has no effect on kind %s; remove it", e.Kind)
	case e.cel != nil:
		e.compile()
	}
}

// compile reads the mapping and reports each of its mistakes where it stands.
func (e *entry) compile() {
	m := mappingReader{Reader: e.Reader, at: map[string]*yaml.Node{}}
	before := e.Count()
	m.read(e.cel, e.celPath)
	if e.Count() != before {
		return
	}
	compiled, err := mapping.Compile(mapping.Spec{Source: e.Name, Expressions: m.expressions, EndsAfter: e.endsAfter})
	for _, mistake := range each(err) {
		m.report(e.cel, e.celPath, mistake)
	}
	e.mapping = compiled
}

func each(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	if err != nil {
		return []error{err}
	}
	return nil
}

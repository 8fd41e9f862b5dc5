package correlate_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The architecture of DESIGN.md, section "Packages", read off the source: who may
// import whom, what the pure core must not touch, and that every package says what
// it is. The linters say the same; this says it with nothing installed.

const module = "github.com/headwater-sre/headwater"

// sourceFile is one file that is built into a package: no test, not generated into testdata.
type sourceFile struct {
	path    string // within the module, with slashes
	pkg     string // its folder
	syntax  *ast.File
	imports []string
}

// sources parses the module's non-test files.
func sources(t *testing.T) []sourceFile {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatalf("the module's root is not where it was: %v", err)
	}
	var out []sourceFile
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.ParseComments)
		if err != nil {
			return err
		}
		f := sourceFile{path: name, pkg: path.Dir(name), syntax: syntax}
		for _, i := range syntax.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, p)
		}
		out = append(out, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// row is one line of the import table. Packages are named by their folder; "x/..."
// means x and everything below it.
type row struct {
	pkg    string
	inside []string // of this module, beside itself
}

// importTable is DESIGN.md's. The first row that fits a package holds.
var importTable = []row{
	{"topology", nil},
	{"topology/layout", nil},
	{"topology/...", []string{"topology"}},
	{"correlate", []string{"topology"}},
	{"correlate/correlatetest", []string{"correlate", "topology"}},
	{"correlate/audit", []string{"correlate"}},
	{"correlate/driver/...", []string{"correlate", "topology"}},
	{"correlate/store/...", []string{"correlate", "topology", "proto/..."}},
	{"correlate/lifeline", []string{"correlate", "correlate/page"}},
	{"correlate/page/...", []string{"correlate"}},
	{"correlate/settings", []string{"correlate", "topology", "topology/strictyaml"}},
	{"correlate/replay", []string{"correlate", "topology/...", "ingest/alertmanager", "ingest/change", "ingest/health"}},
	{"ingest/body", []string{"correlate", "topology"}},
	{"ingest/alertmanager", []string{"correlate", "ingest/body"}},
	{"ingest/health", []string{"correlate", "topology", "ingest/body"}},
	{"ingest/health/...", []string{"correlate", "correlate/settings", "topology", "topology/strictyaml", "ingest/health/..."}},
	{"ingest/change", []string{"correlate", "topology", "ingest/body"}},
	{"ingest/argocd", []string{"correlate", "topology", "ingest/body", "ingest/change"}},
	{"ingest/flux", []string{"correlate", "topology", "ingest/body", "ingest/change"}},
	{"ingest/github", []string{"correlate", "topology", "ingest/body", "ingest/change"}},
	{"ingest/grafana", []string{"correlate", "ingest/alertmanager", "ingest/body"}},
	{"ingest/cloudevents", []string{"correlate", "topology", "ingest/body", "ingest/change"}},
	{"ingest/reply", []string{"ingest/body"}},
	{"ingest/mapping", []string{"correlate", "ingest/alertmanager", "ingest/body", "ingest/change", "ingest/health"}},
	{"ingest/source", []string{
		"correlate", "correlate/settings", "topology/strictyaml", "ingest/alertmanager", "ingest/argocd", "ingest/change", "ingest/cloudevents", "ingest/flux",
		"ingest/github", "ingest/grafana", "ingest/health", "ingest/mapping", "ingest/reply",
	}},
	{"ingest/reconcile", []string{"correlate", "ingest/alertmanager", "ingest/body"}},
	{"ingest/rollout", []string{"correlate", "topology", "ingest/body", "ingest/change"}},
	{"ingest/bus/...", []string{"correlate", "correlate/store", "topology", "proto/..."}},
	{"ingest", []string{"correlate", "topology", "ingest/...", "proto/..."}},
	{"api/web/...", nil},
	{"api/setup", []string{"correlate", "topology", "topology/discovery"}},
	{"api/stats", []string{"correlate", "topology"}},
	{"api/cascade", []string{"correlate", "topology", "topology/layout"}},
	{"api/postmortem", []string{"correlate", "topology", "api/cascade"}},
	{"api/...", []string{"correlate", "correlate/audit", "correlate/store", "topology", "topology/discovery", "topology/layout", "proto/...", "api/web", "api/setup", "api/stats", "api/cascade", "api/postmortem"}},
	{"proto/...", []string{"proto/..."}},
	{"cmd/hwctl/...", []string{"correlate", "correlate/replay", "correlate/settings", "topology/...", "ingest/...", "proto/..."}},
	{"cmd/...", []string{"correlate/...", "topology/...", "ingest/...", "api/...", "proto/...", "cmd/..."}},
}

func fits(pattern, pkg string) bool {
	below, deep := strings.CutSuffix(pattern, "/...")
	return pkg == below || deep && strings.HasPrefix(pkg, below+"/")
}

func TestNobodyImportsWhatTheImportTableDoesNotGrant(t *testing.T) {
	for _, f := range sources(t) {
		i := slices.IndexFunc(importTable, func(r row) bool { return fits(r.pkg, f.pkg) })
		if i < 0 {
			t.Errorf("%s: package %s is in no row of the import table; give it one, here and in DESIGN.md", f.path, f.pkg)
			continue
		}
		granted := importTable[i]
		for _, imported := range f.imports {
			inside, ours := strings.CutPrefix(imported, module+"/")
			if !ours || inside == f.pkg || fits(granted.pkg, inside) {
				continue
			}
			if !slices.ContainsFunc(granted.inside, func(p string) bool { return fits(p, inside) }) {
				t.Errorf("%s imports %s; %s may import %v", f.path, inside, granted.pkg, granted.inside)
			}
		}
	}
}

// owners of a technology: nobody else knows it.
var owners = map[string][]string{
	"github.com/dgraph-io/":                     {"correlate/store/..."},
	"github.com/nats-io/":                       {"ingest/bus/..."},
	"cel.dev/cel-go/":                           {"ingest/mapping"},
	"github.com/prometheus/alertmanager/notify": {"correlate/page/..."},
	"github.com/prometheus/prometheus/":         {"topology/...", "correlate/settings", "cmd/headwater/..."},
}

func TestEachTechnologyHasOneOwner(t *testing.T) {
	for _, f := range sources(t) {
		for _, imported := range f.imports {
			for prefix, pkgs := range owners {
				if strings.HasPrefix(imported, prefix) && !slices.ContainsFunc(pkgs, func(p string) bool { return fits(p, f.pkg) }) {
					t.Errorf("%s imports %s, which belongs to %v", f.path, imported, pkgs)
				}
			}
		}
	}
}

// pureImports are what the pure packages may import: nothing with a clock, IO, log,
// dice, goroutines' tools or the outside world. Package time is for times as data;
// its clock is forbidden by [TestThePureCoreReadsNoClock].
var pureImports = map[string][]string{
	"correlate": {
		"cmp", "container/heap", "encoding/binary", "errors", "fmt", "hash/fnv", "iter", "maps", "math", "math/bits", "regexp", "slices", "sort", "strconv",
		"strings", "time", "unicode", "unicode/utf8", module + "/topology",
	},
	"topology": {
		"cmp", "container/heap", "encoding/hex", "errors", "fmt", "hash", "hash/fnv", "iter", "maps", "math", "math/bits", "net/netip", "regexp", "slices", "sort", "strconv",
		"strings", "time", "unicode", "unicode/utf8", "crypto/sha256", "encoding/binary",
		"github.com/prometheus/prometheus/model/labels", "github.com/prometheus/prometheus/model/relabel", "github.com/prometheus/common/model",
	},
	"correlate/audit": {"cmp", "fmt", "hash/fnv", "slices", "strconv", "strings", "time", module + "/correlate"},
	"api/stats":       {"cmp", "fmt", "maps", "math", "slices", "time", module + "/correlate", module + "/topology"},
	"topology/layout": {"cmp", "math", "slices"},
	"api/cascade": {
		"cmp", "encoding/xml", "fmt", "math", "slices", "strconv", "strings", "time", module + "/correlate", module + "/topology", module + "/topology/layout",
	},
	"api/postmortem": {
		"cmp", "fmt", "net/url", "slices", "strings", "time", "unicode", module + "/correlate", module + "/topology", module + "/api/cascade",
	},
	"api/setup": {
		"cmp", "fmt", "maps", "regexp", "slices", "strconv", "strings", "time",
		module + "/correlate", module + "/topology", module + "/topology/discovery", // of which it takes the words alone
	},
}

func TestThePureCoreImportsNothingImpure(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range sources(t) {
		allowed, pure := pureImports[f.pkg]
		if !pure {
			continue
		}
		seen[f.pkg] = true
		for _, imported := range f.imports {
			if !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s: is it free of clock, IO, log, dice and locks? Then allow it here", f.path, imported)
			}
		}
	}
	if len(seen) != len(pureImports) {
		t.Errorf("looked at %v only", seen)
	}
}

// clock is what package time must not be asked for in the pure core.
var clock = []string{"Now", "Since", "Until", "After", "Tick", "NewTimer", "NewTicker", "Sleep", "AfterFunc"}

func TestThePureCoreReadsNoClock(t *testing.T) {
	for _, f := range sources(t) {
		if _, pure := pureImports[f.pkg]; !pure {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s starts a goroutine at %d", f.path, g.Pos())
			}
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && x.Obj == nil && slices.Contains(clock, s.Sel.Name) {
				t.Errorf("%s uses time.%s: time is an argument, deadlines are data", f.path, s.Sel.Name)
			}
			return true
		})
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	comment := map[string]string{}
	for _, f := range sources(t) {
		if ast.IsGenerated(f.syntax) {
			continue
		}
		comment[f.pkg] += f.syntax.Doc.Text()
	}
	for pkg, text := range comment {
		first, _, _ := strings.Cut(text, "\n")
		if len(strings.Fields(first)) < 4 {
			t.Errorf("package %s has no comment that says what it is: %q", pkg, first)
		}
	}
}

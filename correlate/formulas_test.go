package correlate_test

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/headwater-sre/headwater/correlate"
)

// docs/formulas.md leads from a reason to the function that computes it, and the comment
// there to the publication. These tests walk the way.

var (
	formulaLink   = regexp.MustCompile("\\[`(\\w+)`\\]\\(\\.\\./([\\w/.]+)\\)")
	publicationOf = regexp.MustCompile(`([A-Z][A-Za-z]+) (\d{4})`)
)

func formulas(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "docs", "formulas.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// commented are the declarations of a file with their comments.
func commented(f *sourceFile) map[string]string {
	out := map[string]string{}
	for _, d := range f.syntax.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			out[d.Name.Name] += d.Doc.Text()
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					out[v.Names[0].Name] = d.Doc.Text() + v.Doc.Text()
				}
			}
		}
	}
	return out
}

func TestFormulasLeadToFunctionsThatExist(t *testing.T) {
	files := map[string]map[string]string{}
	for _, f := range sources(t) {
		files[f.path] = commented(&f)
	}
	links := formulaLink.FindAllStringSubmatch(formulas(t), -1)
	if len(links) < 20 {
		t.Fatalf("%d links to functions", len(links))
	}
	for _, l := range links {
		if _, ok := files[l[2]][l[1]]; !ok {
			t.Errorf("%s has no %s", l[2], l[1])
		}
	}
}

// The table names a publication only if a file that computes the term does, and says what it is.
func TestPublicationsOfFormulasAreNamedWhereTheyAreComputed(t *testing.T) {
	comments := map[string]string{}
	for _, f := range sources(t) {
		for _, c := range f.syntax.Comments {
			comments[f.path] += c.Text()
		}
	}
	page := formulas(t)
	_, list, _ := strings.Cut(page, "## Publications")
	seen := 0
	for _, line := range strings.Split(page, "\n") {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| [") || len(cells) != 4 {
			continue
		}
		var text string
		for _, l := range formulaLink.FindAllStringSubmatch(cells[2], -1) {
			text += comments[l[2]]
		}
		for _, p := range publicationOf.FindAllStringSubmatch(cells[3], -1) {
			seen++
			if !strings.Contains(text, p[1]) || !strings.Contains(text, p[2]) {
				t.Errorf("%s: no comment names %s", cells[0], p[0])
			}
			if !strings.Contains(list, "**"+p[0]+"**") {
				t.Errorf("%s is not in the list of publications", p[0])
			}
		}
	}
	if seen < 8 {
		t.Errorf("the table names %d publications", seen)
	}
}

func TestEveryTermOfTheScoreIsInTheTableOfFormulas(t *testing.T) {
	page := formulas(t)
	for term := correlate.TermSaid; term <= correlate.TermLoad; term++ {
		if !strings.Contains(page, "| ["+term.String()+"](#"+term.String()+") |") {
			t.Errorf("%s is not in the table", term)
		}
	}
}

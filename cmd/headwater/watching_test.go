package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// What people watch Headwater with (rules, dashboards) is shipped in deploy: nothing in
// it may name a metric, a label or a field that there is not.

const deployDir = "../../deploy"

// namesInCode are the names of metrics in the code, and the beginnings of those that are put together.
func namesInCode(t *testing.T) (names map[string]bool, beginnings []string) {
	t.Helper()
	names = map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != "..", d.Name() == "node_modules":
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			if s, err := strconv.Unquote(lit.Value); err == nil {
				names[s] = true
				if strings.HasPrefix(s, "headwater_") && strings.HasSuffix(s, "_") {
					beginnings = append(beginnings, s)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names, beginnings
}

func TestRulesAndDashboardsNameMetricsThatThereAre(t *testing.T) {
	names, beginnings := namesInCode(t)
	names["headwater_build_info"] = true // made by Prometheus's own collector
	known := func(name string) bool {
		return names[name] || slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(name, b) && names[strings.TrimPrefix(name, b)] })
	}
	metric, series := regexp.MustCompile(`\bheadwater_[a-z_]+`), regexp.MustCompile(`_(bucket|sum|count)$`)
	variables := map[string]bool{"headwater_url": true}
	for _, pattern := range []string{"rules/headwater.yml", "rules/tests/*.yml", "grafana/dashboards/*.json"} {
		files, err := filepath.Glob(filepath.Join(deployDir, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			found := metric.FindAllString(readFile(t, file), -1)
			if len(found) < 10 {
				t.Errorf("%s: only %d names found", file, len(found))
			}
			slices.Sort(found)
			for _, name := range slices.Compact(found) {
				if !variables[name] && !known(name) && !known(series.ReplaceAllString(name, "")) {
					t.Errorf("%s: no metric is called %s", file, name)
				}
			}
		}
	}
}

func TestEachRuleHasItsRunbook(t *testing.T) {
	rules, book := readFile(t, deployDir+"/rules/headwater.yml"), readFile(t, "../../docs/runbooks.md")
	alerts := regexp.MustCompile(`(?m)- alert: (\w+)$`).FindAllStringSubmatch(rules, -1)
	if len(alerts) == 0 {
		t.Fatal("no rules found")
	}
	for _, a := range alerts {
		if link := "runbooks.md#" + strings.ToLower(a[1]) + "\n"; !strings.Contains(rules, link) {
			t.Errorf("%s: has no link to its runbook", a[1])
		}
		if !strings.Contains(book, "\n## "+a[1]+"\n") {
			t.Errorf("docs/runbooks.md: has no section %s", a[1])
		}
	}
	for _, section := range regexp.MustCompile(`(?m)^## (Headwater\w+)$`).FindAllStringSubmatch(book, -1) {
		if !strings.Contains(rules, "- alert: "+section[1]+"\n") {
			t.Errorf("docs/runbooks.md: %s is no rule", section[1])
		}
	}
}

// query is what a Grafana panel or annotation asks of Headwater's REST API.
type query struct {
	Source, URL string
	Root        string `json:"root_selector"`
	Columns     []struct{ Selector, Text string }
}

// queriesIn finds the queries of the Infinity data source anywhere in a dashboard.
func queriesIn(v any) (found []query) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			found = append(found, queriesIn(e)...)
		}
	case map[string]any:
		if v["source"] == "url" {
			text, _ := json.Marshal(v) // just decoded
			var q query
			if json.Unmarshal(text, &q) == nil {
				return []query{q}
			}
		}
		for _, e := range v {
			found = append(found, queriesIn(e)...)
		}
	}
	return found
}

func TestDashboardsAskWhatTheAPIAnswers(t *testing.T) {
	var board any
	if err := json.Unmarshal([]byte(readFile(t, deployDir+"/grafana/dashboards/headwater-incidents.json")), &board); err != nil {
		t.Fatal(err)
	}
	queries := queriesIn(board)
	if len(queries) < 2 {
		t.Fatalf("%d queries found, want the table's and the annotations'", len(queries))
	}
	r := started(t, serverOptions{})
	for _, q := range queries {
		if got := r.get(t, q.URL); got.code != http.StatusOK {
			t.Errorf("%s: %d %s", q.URL, got.code, got.body)
		}
		list := (&pb.ListIncidentsResponse{}).ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(q.Root))
		if list == nil {
			t.Errorf("%s: the answer has no %q", q.URL, q.Root)
			continue
		}
		for _, c := range q.Columns {
			if err := hasField(list.Message(), c.Selector); err != nil {
				t.Errorf("%s: column %q: %v", q.URL, c.Text, err)
			}
		}
	}
}

// hasField reports what is wrong with a path like "acknowledgement.actor" into a message.
func hasField(m protoreflect.MessageDescriptor, path string) error {
	name, rest, deeper := strings.Cut(path, ".")
	field := m.Fields().ByName(protoreflect.Name(name))
	switch {
	case field == nil:
		return fmt.Errorf("%s has no field %q", m.Name(), name)
	case deeper:
		return hasField(field.Message(), rest)
	}
	return nil
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

package correlate_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headwater-sre/headwater/correlate/correlatetest"
)

var rewrite = flag.Bool("rewrite", false, "write the outcomes of the stories in testdata anew")

// The stories are written in the language of package correlatetest.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { tell(t, file) })
	}
}

func tell(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	result, err := correlatetest.Run(string(text))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for _, f := range result.Failures {
		t.Errorf("%s:%d: %s", file, f.Line, f.Text)
	}
	if result.Story == string(text) {
		return
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(result.Story), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s came out otherwise; -rewrite accepts it (-told +now):\n%s", file, cmp.Diff(string(text), result.Story))
}

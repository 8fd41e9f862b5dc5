package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func TestAnArchiveIsWrittenAndTakenIn(t *testing.T) {
	server := newFakeServer(t)
	for _, name := range []string{"history.jsonl", "history.jsonl.gz"} {
		file := filepath.Join(t.TempDir(), name)
		wrote := hwctl(server, false, "export", "--since", "90d", file)
		if want := file + ": 1 incident, 2 alerts, 1 action item; 3 more are open and not in it\n"; wrote.code != exitOK || wrote.errs != want || wrote.out != "" {
			t.Errorf("export: %d %q %q, want %q", wrote.code, wrote.out, wrote.errs, want)
		}
		read := hwctl(server, false, "import", file, "--actor", "ann")
		if want := "1 incident imported from prod, with 2 alerts and 0 action items; 1 were here already\n"; read.code != exitOK || read.out != want {
			t.Errorf("import: %d %q %q, want %q", read.code, read.out, read.errs, want)
		}
		asked := server.asked(t).(*headwaterv1.ImportArchiveRequest)
		if asked.GetEnvironment() != "prod" || asked.GetActor() != "ann" || len(asked.GetRecords()) != 2 || asked.GetRecords()[0].GetIncident().GetIncident() != nil {
			t.Errorf("asked %v: want what is read, and no more", asked)
		}
	}
	if got := hwctl(server, false, "export"); got.code != exitOK || strings.Count(got.out, "\n") != 5 || !strings.HasPrefix(got.out, `{"header":{`) {
		t.Errorf("to standard output: %d %q", got.code, got.out)
	}
}

func TestWhatIsNoArchiveIsSaidToBeNone(t *testing.T) {
	server := newFakeServer(t)
	const header = `{"header": {"format": "headwater-archive", "version": 1, "environment": "prod"}}` + "\n"
	for name, tc := range map[string]struct {
		text, errs string
		code       int
	}{
		"empty":         {"", "the file is empty", exitFailed},
		"not JSON":      {"hello\n", "line 1 of the archive", exitFailed},
		"no header":     {`{"end": {}}` + "\n", "is no header", exitFailed},
		"newer":         {`{"header": {"format": "headwater-archive", "version": 2, "environment": "prod"}}` + "\n", "version 2", exitFailed},
		"cut off":       {header + `{"incident": {"data": "CgA="}}` + "\n", "the archive has no end", exitFailed},
		"cut in two":    {header + `{"incident": {"da`, "line 2 of the archive", exitFailed},
		"refused":       {header + `{"incident": {}}` + "\n" + `{"end": {}}` + "\n", "1 incident of the archive could not be imported", exitFailed},
		"of the future": {header + `{"postcard": {"text": "hello"}, "end": {"postcards": 1}}` + "\n", "", exitOK},
	} {
		file := filepath.Join(t.TempDir(), "history.jsonl")
		if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := hwctl(server, false, "import", file)
		if got.code != tc.code || !strings.Contains(got.errs, tc.errs) {
			t.Errorf("%s: %d %q, want %q", name, got.code, got.errs, tc.errs)
		}
	}
	if got := hwctl(server, false, "import", "nowhere.jsonl"); got.code != exitFailed || !strings.Contains(got.errs, "nowhere.jsonl") {
		t.Errorf("no file: %d %q", got.code, got.errs)
	}
}

func TestAnExportThatFailsLeavesNoFile(t *testing.T) {
	server := newFakeServer(t)
	dir := t.TempDir()
	if got := hwctl(server, false, "--address", "127.0.0.1:1", "export", filepath.Join(dir, "history.jsonl")); got.code == exitOK {
		t.Errorf("%d %q", got.code, got.errs)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

package main

import (
	"strings"
	"testing"
)

func TestDoctorFailsOnWhatItIsTold(t *testing.T) {
	server := newFakeServer(t)
	for line, want := range map[string]struct {
		code int
		errs string
	}{
		"doctor":                              {exitOK, ""},
		"doctor --fail-on never":              {exitOK, ""},
		"doctor --fail-on error":              {exitFailed, "1 finding of the severity"},
		"doctor --fail-on warning":            {exitFailed, "2 findings of the severity"},
		"doctor --fail-on hint --least error": {exitFailed, "3 findings of the severity"},
		"doctor --fail-on error -o json":      {exitFailed, "1 finding of the severity"},
		"doctor --fail-on trifle":             {exitUsage, "trifle"},
	} {
		got := hwctl(server, false, strings.Fields(line)...)
		if got.code != want.code || !strings.Contains(got.errs, want.errs) || want.errs == "" && got.errs != "" {
			t.Errorf("%s: exit code %d, %q", line, got.code, got.errs)
		}
		if n := strings.Count(got.out, "\n    why "); strings.Contains(line, "--least error") && n != 1 {
			t.Errorf("%s: tells %d findings", line, n)
		}
	}
}

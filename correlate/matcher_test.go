package correlate

import "testing"

func TestAMatcherIsReadAndWrittenAsAlertmanagerHasIt(t *testing.T) {
	labels := map[string]string{"sev": "SEV1", "team": "shop"}
	for text, want := range map[string]struct {
		form    string
		matches bool
	}{
		`sev="SEV1"`:         {`sev="SEV1"`, true},
		`sev = SEV2`:         {`sev="SEV2"`, false},
		`sev=~"SEV1|SEV2"`:   {`sev=~"SEV1|SEV2"`, true},
		`sev=~"SEV"`:         {`sev=~"SEV"`, false},
		`team!="storage"`:    {`team!="storage"`, true},
		`team!~"sh.*"`:       {`team!~"sh.*"`, false},
		`namespace=""`:       {`namespace=""`, true},
		`team="a \"b\" c"`:   {`team="a \"b\" c"`, false},
		`environment!~"dev"`: {`environment!~"dev"`, true},
	} {
		m, err := ParseMatcher(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if m.String() != want.form || m.Matches(labels) != want.matches {
			t.Errorf("%s is %s, matches: %v", text, m, m.Matches(labels))
		}
		again, err := ParseMatcher(m.String())
		if err != nil || again.String() != m.String() {
			t.Errorf("%s, read again, is %s, %v", m, again, err)
		}
	}
	for _, bad := range []string{"", "sev", `="x"`, `sev="x`, `sev=~"("`, `1a="x"`} {
		if m, err := ParseMatcher(bad); err == nil {
			t.Errorf("%q was read as %s", bad, m)
		}
	}
}

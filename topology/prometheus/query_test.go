package prometheus

import (
	"strings"
	"testing"
	"time"
)

func TestWhatCannotBePromQLIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{"sum by (a, b) (rate(x{y=\"(\"}[$window])) # )", ""},
		{"x{y='\\''}", ""},
		{"x{y=`\\`}", ""},
		{" ", "is empty"},
		{"sum(rate(x[5m])", `character 4: "(" is never closed`},
		{"sum(x))", `character 7: ")" closes nothing`},
		{"x{y=\"z}", "character 5: the string that begins here does not end"},
		{"x{y=\"z\"]", `character 8: "]" closes nothing`},
	} {
		err := CheckQuery(c.query)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.query, err, c.want)
		}
	}
}

func TestMatchersAreCheckedAndGoWhereTheQuerySays(t *testing.T) {
	for text, good := range map[string]bool{
		`cluster="prod"`: true, ` namespace !~ "kube-.*" `: true, `a='b'`: true, "a=~`b`": true, `a=~'x"y'`: true,
		`cluster`: false, `cluster=prod`: false, `a=~"("`: false, `a="b",c="d"`: false, `a="b"} or up{`: false, `1a="b"`: false,
	} {
		if err := CheckMatcher(text); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
	got := expand(`rate(x{$matchers y="z"}[$window])`, 90*time.Second, []string{` a="b" `, `c="d"`})
	if want := `rate(x{a="b",c="d", y="z"}[1m30s])`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

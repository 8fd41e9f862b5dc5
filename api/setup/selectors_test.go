package setup

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSelectors(t *testing.T) {
	type set = map[string]string
	for query, want := range map[string][]set{
		`up == 0`:                                       nil,
		`up{job="cart"} == 0`:                           {{"job": "cart"}},
		`a{x="1",y='2'} / b{z=` + "`3`}":                {{"x": "1", "y": "2"}, {"z": "3"}},
		`up{job=~"cart|web", ns!="test"}`:               {{"job": "cart"}, {"job": "web"}},
		`up{job=~"cart.*"}`:                             {{}},
		`up{job!~"cart", x="1"}`:                        {{"x": "1"}},
		`up{ job = "a}b" , }`:                           {{"job": "a}b"}},
		`label_replace(up, "a", "{x=\"1\"}", "b", "c")`: nil,
		"up # {job=\"no\"}\n{job=\"yes\"}":              {{"job": "yes"}},
		`{"a.b"="c"} or up{x="1"}`:                      {{"x": "1"}},
		`up{x="1`:                                       nil,
		`up{x="\n"}`:                                    {{"x": "\n"}},
		`up{x="\q"} or up{y="1"}`:                       {{"y": "1"}},
		`up{x=~"(a|b)",y=~"c|d"}`:                       {{"x": "a", "y": "c"}, {"x": "a", "y": "d"}, {"x": "b", "y": "c"}, {"x": "b", "y": "d"}},
	} {
		if diff := cmp.Diff(want, selectors(query)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
}

// Queries come from a server that others write to.
func FuzzSelectors(f *testing.F) {
	for _, q := range []string{`up{job=~"a|b",x='\''} # {`, `{`, `"{"`, "`", `a{b="\`, `{x=~"()"}`, `{x='`} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		sets := selectors(query)
		if len(sets) > maxSelectors {
			t.Errorf("%d label sets", len(sets))
		}
		for _, s := range sets {
			for k, v := range s {
				if k == "" || v == "" {
					t.Errorf("%q: an empty name or value in %v", query, s)
				}
			}
		}
	})
}

package discovery

import (
	"cmp"
	"slices"
	"strings"

	"github.com/headwater-sre/headwater/topology"
)

const (
	// maxLookAlikes bounds the report.
	maxLookAlikes = 100
	// maxAlikeNames bounds the names that are compared letter by letter, which costs
	// their length each.
	maxAlikeNames = 20_000
	// minAlikeLetters is the length from which one differing letter is a typing error
	// rather than another word.
	minAlikeLetters = 5
)

// lookAlikes reports, beside the links that were refused, the clusters that no source
// knows apart and whose names differ in what names usually differ in: a suffix, a
// version, spelling, one letter.
func (m *merging) lookAlikes() []LookAlike {
	out := m.refusals()
	seen := map[[2]int]bool{}
	for _, l := range out {
		a, b := m.root(m.entityOf(l.A)), m.root(m.entityOf(l.B))
		seen[[2]int{min(a, b), max(a, b)}] = true
	}
	report := func(a, b int, why string) {
		key := [2]int{min(a, b), max(a, b)}
		if a == b || seen[key] || len(out) >= maxLookAlikes || m.apart(a, b, anyVoice) || !m.oneNamespace(a, b) {
			return
		}
		seen[key] = true
		out = append(out, LookAlike{A: m.seenAs(key[0]), B: m.seenAs(key[1]), Why: why})
	}
	forms := make([]string, len(m.entities)) // by root
	for _, root := range m.order {
		forms[root] = normalForm(m.names[root].Name)
	}
	m.compare(func(root int) []string { return forms[root : root+1] }, func(a, b int) {
		report(a, b, "the names differ in spelling or in a usual suffix alone")
	})
	if len(m.order) > maxAlikeNames {
		return out
	}
	m.compare(func(root int) []string { return withGaps(forms[root]) }, func(a, b int) {
		if oneLetter(forms[a], forms[b]) {
			report(a, b, "the names differ in one letter")
		}
	})
	return out
}

// compare calls fn for each two clusters, in order, that have a form in common and
// that could be in one namespace: there may be a redis in each of a thousand.
func (m *merging) compare(formsOf func(root int) []string, fn func(a, b int)) {
	type place struct{ form, namespace string }
	within := map[place][]int{}
	anywhere := map[string][]int{}
	for _, root := range m.order {
		namespace := m.namespaceOf(root)
		for _, f := range formsOf(root) {
			others := anywhere[f]
			if namespace != "" {
				others = slices.Concat(within[place{f, namespace}], within[place{f, ""}])
			}
			for _, other := range others {
				fn(other, root)
			}
			within[place{f, namespace}] = append(within[place{f, namespace}], root)
			anywhere[f] = append(anywhere[f], root)
		}
	}
}

// refusals are the links that were refused and did not come about in another way.
func (m *merging) refusals() []LookAlike {
	var out []LookAlike
	for _, l := range m.refused {
		if len(out) == maxLookAlikes {
			break
		}
		a, b := m.entityOf(l.A), m.entityOf(l.B)
		same := func(o LookAlike) bool { return o.A == l.A && o.B == l.B || o.A == l.B && o.B == l.A }
		if m.root(a) != m.root(b) && !slices.ContainsFunc(out, same) {
			out = append(out, l)
		}
	}
	return out
}

func (m *meeting) entityOf(n NameOf) int {
	v := slices.IndexFunc(m.voices, func(v Voice) bool { return v.Source == n.Source })
	return m.byName[v][n.Ref]
}

// normalForm is a name without what different systems add to it or spell in their own
// ways: cases, separators, "-service", "-svc", "-v2" and the like.
func normalForm(name string) string {
	parts := strings.FieldsFunc(splitCamel(name), func(r rune) bool { return strings.ContainsRune("-_. /:", r) })
	for len(parts) > 1 && isDecoration(parts[len(parts)-1]) {
		parts = parts[:len(parts)-1]
	}
	return strings.ToLower(strings.Join(parts, ""))
}

// splitCamel puts a separator before each capital that follows a small letter.
func splitCamel(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if i > 0 && name[i] >= 'A' && name[i] <= 'Z' && name[i-1] >= 'a' && name[i-1] <= 'z' {
			b.WriteByte('-')
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

func isDecoration(part string) bool {
	part = strings.ToLower(part)
	switch part {
	case "service", "svc", "server", "srv", "app", "deployment", "workload":
		return true
	}
	return len(part) > 1 && part[0] == 'v' && strings.Trim(part[1:], "0123456789") == ""
}

// withGaps are a form and all that it becomes with one letter left out: two forms that
// differ in one letter have one of these in common.
func withGaps(f string) []string {
	if len(f) < minAlikeLetters {
		return nil
	}
	out := []string{f}
	for i := range len(f) {
		if g := f[:i] + f[i+1:]; !slices.Contains(out, g) {
			out = append(out, g)
		}
	}
	return out
}

// oneLetter reports whether one letter was added, left out or taken for another. A
// digit is no typing error: shard1 and shard2 are two.
func oneLetter(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) == len(b) {
		return i < len(a) && !isDigit(a[i]) && !isDigit(b[i]) && a[i+1:] == b[i+1:]
	}
	return !isDigit(b[i]) && a[i:] == b[i+1:]
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// sortServices and sortDependencies give what was discovered an order of its own: that
// of an answer means nothing.
func sortServices(s []topology.Service) {
	slices.SortStableFunc(s, func(a, b topology.Service) int { return compareRefs(a.Ref(), b.Ref()) })
}

func sortDependencies(d []topology.Dependency) {
	slices.SortStableFunc(d, func(a, b topology.Dependency) int {
		return cmp.Or(compareRefs(a.From, b.From), compareRefs(a.To, b.To))
	})
}

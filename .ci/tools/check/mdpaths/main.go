// Command mdpaths reports paths named in Markdown that do not exist, so that
// prose cannot drift from the tree unnoticed. It reads the *.md files that git
// knows, and takes for a path:
//
//   - the target of a relative link, seen from the file that links;
//   - in code spans and fenced blocks, a word that begins with ./ or with one of
//     the repository's own folders, seen from the root (globs must match);
//   - in code spans, a bare name that ends in .go, .proto or .md, anywhere.
//
// Everything else is prose. Paths under ../ lie outside and are not judged, and
// neither is what the root's .gitignore names: those files are made later.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	link     = regexp.MustCompile(`\]\(<?([^)\s>]+)>?[^)]*\)`)
	codeSpan = regexp.MustCompile("`+([^`]+)`+")
	// A word of path characters; anything else ends it. No < > $ … in it, so
	// that placeholders are not taken for paths.
	pathWord = regexp.MustCompile(`^(\./)?[A-Za-z0-9_.*-]+(/[A-Za-z0-9_.*-]+)*/?$`)
	bareName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[a-z]+)*\.(go|proto|md)$`)
)

// tree is what the checkout holds.
type tree struct {
	root  string
	files []string            // slash-separated, from the root
	tops  map[string]struct{} // the root's folders
	bases map[string]struct{} // the last elements of files
}

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	missing, err := check(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mdpaths:", err)
		os.Exit(2)
	}
	for _, m := range missing {
		fmt.Println(m)
	}
	if len(missing) > 0 {
		os.Exit(1)
	}
}

func check(root string) ([]string, error) {
	t, err := list(root)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, file := range t.files {
		if !strings.HasSuffix(file, ".md") || strings.Contains(file, "testdata/") {
			continue
		}
		body, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return nil, err
		}
		missing = append(missing, t.missingIn(file, body)...)
	}
	return missing, nil
}

// list asks git, so that untracked files count while ignored ones do not.
func list(root string) (*tree, error) {
	out, err := exec.Command("git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		return nil, fmt.Errorf("list the checkout's files: %w", err)
	}
	t := &tree{root: root, tops: map[string]struct{}{}, bases: map[string]struct{}{}}
	for _, name := range strings.Split(strings.TrimRight(string(out), "\x00"), "\x00") {
		if _, err := os.Lstat(filepath.Join(root, name)); err != nil {
			continue // deleted, and not committed yet
		}
		t.files = append(t.files, name)
		t.bases[path.Base(name)] = struct{}{}
		if top, _, nested := strings.Cut(name, "/"); nested {
			t.tops[top] = struct{}{}
		}
	}
	return t, nil
}

func (t *tree) missingIn(file string, body []byte) []string {
	var missing []string
	fenced := false
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		report := func(what string) {
			missing = append(missing, fmt.Sprintf("%s:%d: no such path: %s", file, n, what))
		}
		if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~") {
			fenced = !fenced
			continue
		}
		if fenced {
			for _, word := range strings.Fields(line) {
				if !t.holds(word, false) {
					report(word)
				}
			}
			continue
		}
		for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
			for _, word := range strings.Fields(m[1]) {
				if !t.holds(word, true) {
					report(word)
				}
			}
		}
		for _, m := range link.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, "code"), -1) {
			if !t.linkHolds(file, m[1]) {
				report(m[1])
			}
		}
	}
	return missing
}

// holds reports whether word exists, or is no path of ours.
func (t *tree) holds(word string, bare bool) bool {
	word = strings.Trim(word, `"',;:()[]`)
	if bare && bareName.MatchString(word) {
		_, ok := t.bases[word]
		return ok
	}
	if !pathWord.MatchString(word) || !strings.Contains(word, "/") {
		return true
	}
	dotted := strings.HasPrefix(word, "./")
	word = strings.TrimSuffix(strings.TrimPrefix(word, "./"), "/...")
	if word == "..." || word == "" || strings.HasPrefix(word, "..") {
		return true
	}
	top, _, _ := strings.Cut(word, "/")
	if _, ours := t.tops[top]; !ours && !dotted {
		return true
	}
	return t.exists(word)
}

func (t *tree) linkHolds(file, target string) bool {
	target, _, _ = strings.Cut(target, "#")
	if target == "" || strings.Contains(target, ":") || strings.HasPrefix(target, "/") {
		return true // an anchor, a URL, or a site's own address
	}
	name := path.Join(path.Dir(file), target)
	return strings.HasPrefix(name, "..") || t.exists(name)
}

func (t *tree) exists(name string) bool {
	name = path.Clean(name)
	found, err := filepath.Glob(filepath.Join(t.root, filepath.FromSlash(name)))
	if err == nil && len(found) > 0 {
		return true
	}
	return exec.Command("git", "-C", t.root, "check-ignore", "-q", name).Run() == nil
}

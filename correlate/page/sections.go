package page

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v2"
)

// selectSections keeps the wanted top-level keys of a YAML document and blanks
// out the others, line by line, so that a later error names the line of the file.
// It tells which of the keys are there and hold something.
func selectSections(doc []byte, wanted []string) (text string, present map[string]bool, err error) {
	var all yaml.MapSlice
	if err := yaml.Unmarshal(doc, &all); err != nil {
		return "", nil, err
	}
	present = make(map[string]bool)
	var selected yaml.MapSlice
	for _, item := range all {
		key, ok := item.Key.(string)
		if ok && slices.Contains(wanted, key) {
			list, isList := item.Value.([]any)
			present[key] = item.Value != nil && (!isList || len(list) > 0)
			selected = append(selected, item)
		}
	}
	kept := blankOthers(doc, wanted)
	var seen map[string]any
	if err := yaml.Unmarshal(kept, &seen); err == nil && len(seen) == len(selected) {
		return string(kept), present, nil
	}
	// A document in braces, or an anchor defined in a blanked section: correct, but
	// the lines in errors are those of the written-out text.
	out, err := yaml.Marshal(selected)
	if err != nil {
		return "", nil, fmt.Errorf("write out %s: %w", strings.Join(wanted, ", "), err)
	}
	return string(out), present, nil
}

// blankOthers empties the lines of all top-level entries that are not wanted.
func blankOthers(doc []byte, wanted []string) []byte {
	lines := bytes.SplitAfter(doc, []byte("\n"))
	keep := false
	for i, line := range lines {
		if key, ok := topLevelKey(line); ok {
			keep = slices.Contains(wanted, key)
		}
		if !keep && !isMarker(line) {
			lines[i] = []byte("\n")
		}
	}
	return bytes.Join(lines, nil)
}

// topLevelKey reads the key of a line that begins a top-level entry.
func topLevelKey(line []byte) (string, bool) {
	if len(line) == 0 || bytes.IndexByte([]byte(" \t#-}]\r\n"), line[0]) >= 0 {
		return "", false
	}
	key, _, found := bytes.Cut(line, []byte(":"))
	return strings.Trim(string(key), `"' `), found
}

func isMarker(line []byte) bool {
	s := strings.TrimSpace(string(line))
	return s == "---" || s == "..." || strings.HasPrefix(s, "%YAML")
}

func unmarshal(text string, into any) error {
	return yaml.Unmarshal([]byte(text), into)
}

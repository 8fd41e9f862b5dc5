// Package fileset reads files that are named by patterns, for topology sources that
// read what other programs keep in files.
//
// A pattern is a path or one of path/filepath's patterns, such as
// catalogue/*/catalog-info.yaml. The files are those that there are when they are read;
// one that is no pattern has to be there. Files over 16 MiB are refused, as are more
// than 10,000 of them.
package fileset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/headwater-sre/headwater/topology/file"
)

const (
	maxSize  = 16 << 20
	maxFiles = 10_000
)

// File is one file's content.
type File struct {
	Name string // its path
	Data []byte
}

// Read reads the files of the patterns, in the order of the patterns and then of their
// names, each once. What cannot be read is reported together.
func Read(patterns []string) ([]File, error) {
	paths, err := Expand(patterns)
	if err != nil {
		return nil, err
	}
	files := make([]File, 0, len(paths))
	var errs []error
	for _, path := range paths {
		data, err := read(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		files = append(files, File{path, data})
	}
	return files, errors.Join(errs...)
}

// Expand lists the paths that the patterns mean now.
func Expand(patterns []string) ([]string, error) {
	var paths []string
	for _, pattern := range patterns {
		if !IsPattern(pattern) {
			paths = append(paths, pattern)
			continue
		}
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", pattern, err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("no file matches %q", pattern)
		}
		paths = append(paths, found...) // Glob sorts them
	}
	seen := map[string]bool{}
	paths = slices.DeleteFunc(paths, func(p string) bool {
		again := seen[p]
		seen[p] = true
		return again
	})
	if len(paths) > maxFiles {
		return nil, fmt.Errorf("%d files match %s, more than %d; use narrower patterns", len(paths), strings.Join(patterns, ", "), maxFiles)
	}
	return paths, nil
}

// Follow calls changed when files that the patterns meant at its beginning may have
// changed, until ctx ends, as [file.Follow] does. A file in a folder that is new to the
// patterns is only found by looking again.
func Follow(ctx context.Context, patterns []string, changed func()) error {
	paths, err := Expand(patterns)
	if err != nil {
		return err
	}
	return file.Follow(ctx, paths, changed)
}

// IsPattern reports whether a path has characters that make it a pattern.
func IsPattern(path string) bool { return strings.ContainsAny(path, "*?[") }

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err // names the file and what was attempted
	}
	defer f.Close() //nolint:errcheck // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("%s: is larger than %d MiB", path, maxSize>>20)
	}
	return data, nil
}

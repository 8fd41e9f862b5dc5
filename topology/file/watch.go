package file

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle lets a writer finish: editors and Kubernetes make several changes in a row.
const settle = 100 * time.Millisecond

// Follow calls changed once it watches the files' directories, and then a moment after
// something happens in them, from its own goroutine, until ctx ends; it returns nil
// then. An error means that the file
// system cannot notify. Network file systems and some container mounts notify of
// nothing and say nothing about it, so who follows looks at intervals too.
func Follow(ctx context.Context, paths []string, changed func()) error {
	notify, err := watchDirectories(paths)
	if err != nil {
		return fmt.Errorf("watch topology files: %w", err)
	}
	defer notify.Close() //nolint:errcheck // there is nothing left to do about it
	changed()            // what happened before it watched
	follow(ctx, notify.Events, notify.Errors, changed)
	return nil
}

// watchDirectories watches the files' directories, not the files: a file that is
// replaced by renaming, or through Kubernetes' ..data link, takes its watch with it.
func watchDirectories(paths []string) (*fsnotify.Watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	var directories []string
	for _, p := range paths {
		directories = append(directories, filepath.Dir(p))
	}
	slices.Sort(directories)
	for _, d := range slices.Compact(directories) {
		if err := notify.Add(d); err != nil {
			return nil, errors.Join(fmt.Errorf("directory %s: %w", d, err), notify.Close())
		}
	}
	return notify, nil
}

// follow calls changed a moment after events begin. A failure to notify (an overflowing
// queue) is taken for an event.
func follow(ctx context.Context, events <-chan fsnotify.Event, failures <-chan error, changed func()) {
	settled := time.NewTimer(settle)
	settled.Stop()
	defer settled.Stop()
	waiting := false
	wait := func() {
		if !waiting { // from the first event, so that a busy directory cannot put us off
			settled.Reset(settle)
			waiting = true
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-events:
			if !open {
				events = nil // never ready again
				continue
			}
			wait()
		case _, open := <-failures:
			if !open {
				failures = nil
				continue
			}
			wait()
		case <-settled.C:
			waiting = false
			changed()
		}
	}
}

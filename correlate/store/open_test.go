package store

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// oneLine is what an operator must get.
func oneLine(t *testing.T, err error, kind error, parts ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error %v, want %v", err, kind)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %v", err)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q does not say %q", err, p)
		}
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	openFault(t, dir, nil)
	_, err := Open(Options{Dir: dir})
	oneLine(t, err, ErrInUse, dir, "directory of its own")
}

func TestADirectoryIsFreeAfterClose(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		s, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// edit changes a closed database behind the store's back.
func edit(t *testing.T, dir string, change func(*badger.Txn) error) {
	t.Helper()
	db, err := badger.Open(badgerOptions(Options{Dir: dir}.withDefaults()))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(change), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	edit(t, dir, func(txn *badger.Txn) error {
		return txn.Set(keyFormat, binary.BigEndian.AppendUint32(nil, formatVersion+1))
	})
	_, err := Open(Options{Dir: dir})
	oneLine(t, err, ErrFormat, dir, "version 2", "version 1", "move the directory away")
}

func TestAnotherProgramsDatabaseIsRefused(t *testing.T) {
	dir := t.TempDir()
	edit(t, dir, func(txn *badger.Txn) error { return txn.Set([]byte("theirs"), []byte("data")) })
	_, err := Open(Options{Dir: dir})
	oneLine(t, err, ErrFormat, dir, "another program")
}

func TestADirectoryThatCannotBeMadeIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: filepath.Join(file, "db")}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v, want one that names %s", err, file)
	}
	if _, err := Open(Options{}); err == nil {
		t.Error("opened without a directory")
	}
}

func TestAReadOnlyDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil { //nolint:gosec // a directory
		t.Fatal(err)
	}
	if f, err := os.CreateTemp(dir, "probe"); err == nil {
		_ = f.Close()
		t.Skip("whoever runs this may write everywhere")
	}
	_, err := Open(Options{Dir: dir})
	oneLine(t, err, ErrReadOnly, dir)
}

func TestAFullDiskIsRefusedAndForgiven(t *testing.T) {
	free := uint64(1 << 40)
	o := Options{Dir: t.TempDir(), MinFreeBytes: 1 << 30, free: func(string) (uint64, error) { return free, nil }}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d := rowsAt(1, 1, 10)
	d[0].Pages = pageOf(d[0])
	if err := s.Commit(t.Context(), d, true); err != nil {
		t.Fatal(err)
	}

	free = 700 << 20 // less than the reserve, more than half of it
	err = s.Commit(t.Context(), rowsAt(2, 1, 10), false)
	oneLine(t, err, ErrNoSpace, o.Dir, "700 MiB")
	if errors.Is(err, ErrFailed) {
		t.Error("a full disk counts as a broken store")
	}
	if err := s.RecordDelivery(t.Context(), d[0].Pages[0].Key(), nil, true, false); err != nil {
		t.Errorf("what was decided before can no longer be recorded: %v", err)
	}
	if pos, _ := state(t, s); pos != 1 {
		t.Errorf("position %d, want 1", pos)
	}

	free = 1 << 40
	if err := s.Commit(t.Context(), rowsAt(2, 1, 10), false); err != nil {
		t.Errorf("with room again: %v", err)
	}
	free = 1 << 20
	_, err = Open(Options{Dir: t.TempDir(), free: o.free})
	oneLine(t, err, ErrNoSpace, "1 MiB are free", "start again")
}

func TestErrorsOfTheDeviceAreRecognised(t *testing.T) {
	dir := t.TempDir()
	for cause, kind := range map[error]error{syscall.EROFS: ErrReadOnly, syscall.EACCES: ErrReadOnly, syscall.ENOSPC: ErrNoSpace} {
		oneLine(t, openError(dir, &os.PathError{Op: "open", Path: dir, Err: cause}), kind, dir)
	}
}

// Badger deletes a log by emptying it first; a crash between the two, or a power
// failure just after a log was made, leaves a file that badger does not open.
func TestAnEmptyLogFileDoesNotMatter(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Commit(t.Context(), rowsAt(1, 3, 10), true), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"00009.mem", "000009.vlog"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if pos, titles := state(t, openFault(t, dir, nil)); pos != 1 || len(titles) != 3 {
		t.Errorf("position %d with rows %q", pos, titles)
	}
}

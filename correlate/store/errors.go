package store

import (
	"errors"
	"fmt"
)

// What callers branch on with errors.Is.
var (
	// ErrNotFound: there is no such row, or it has expired.
	ErrNotFound = errors.New("not found")
	// ErrInUse: another process has the directory open.
	ErrInUse = errors.New("storage directory is in use by another process")
	// ErrFormat: the directory holds something that this version cannot read.
	ErrFormat = errors.New("storage format is not readable by this version")
	// ErrNoSpace: the disk is full, or nearly so. Worth a retry once there is room.
	ErrNoSpace = errors.New("no space left on the storage device")
	// ErrReadOnly: the directory cannot be written to.
	ErrReadOnly = errors.New("storage directory is not writable")
	// ErrFailed: an earlier write failed half-way. Only a restart helps.
	ErrFailed = errors.New("storage failed, restart to recover")
	// ErrClosed: the store has been closed.
	ErrClosed = errors.New("storage is closed")
)

// failure is the permanent error of a store that must not be used any more.
type failure struct{ cause error }

// Error says what to do, and why.
func (f *failure) Error() string { return fmt.Sprintf("%v: %v", ErrFailed, f.cause) }

// Unwrap returns the error of the write that failed.
func (f *failure) Unwrap() error { return f.cause }

// Is makes it an [ErrFailed].
func (f *failure) Is(target error) bool { return target == ErrFailed }

// Permanent tells the driver that retrying is of no use.
func (f *failure) Permanent() bool { return true }

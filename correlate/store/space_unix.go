//go:build linux || darwin || freebsd

package store

import (
	"errors"
	"os"
	"syscall"
)

// freeBytes is the room that an ordinary user has on the device of dir.
func freeBytes(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, os.NewSyscallError("statfs", err)
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil //nolint:unconvert // the fields' types differ between systems
}

// dirInUse reports whether another process holds badger's lock on dir. Badger's
// own error does not carry the cause.
func dirInUse(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	_ = f.Close() // of a reader; takes the lock with it
	return errors.Is(err, syscall.EWOULDBLOCK)
}

//go:build !linux

package acceptance

import "syscall"

// dieWithParent is not to be had here.
func dieWithParent() *syscall.SysProcAttr { return nil }

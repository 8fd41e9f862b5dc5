package acceptance

import "syscall"

// dieWithParent has the kernel kill a program whose test process died without
// cleaning up, as after a timeout of go test.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

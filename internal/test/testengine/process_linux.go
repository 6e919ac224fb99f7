package testengine

import "syscall"

// This file is dieWithParent on Linux.

// dieWithParent makes the kernel kill the child when the thread that started it ends.
// Unlike anything that the child could do itself, that also reaches a frozen child.
func dieWithParent(a *syscall.SysProcAttr) bool {
	a.Pdeathsig = syscall.SIGKILL
	return true
}

package testengine

import "syscall"

// dieWithParent has the kernel kill the child when the thread that started it ends. Unlike anything the child could do
// itself, that also reaches a child that is frozen.
func dieWithParent(a *syscall.SysProcAttr) bool {
	a.Pdeathsig = syscall.SIGKILL
	return true
}

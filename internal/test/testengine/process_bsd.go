//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package testengine

import "syscall"

// dieWithParent: these systems can't promise it, and the lease has to do.
func dieWithParent(*syscall.SysProcAttr) bool { return false }

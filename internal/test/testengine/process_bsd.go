//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package testengine

import "syscall"

// This file is dieWithParent on systems that don't have it.

// dieWithParent returns false: these systems can't promise it, and the lease must do.
func dieWithParent(*syscall.SysProcAttr) bool { return false }

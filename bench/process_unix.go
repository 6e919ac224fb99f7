//go:build unix

package main

import (
	"syscall"
	"time"
)

// This file runs a process as another user, and measures processor time, on Unix.

const terminated = syscall.SIGTERM

// asUser makes a process run as another user. The process gets a group of its own, so
// that an interrupt from the keyboard reaches it through us alone.
func asUser(u *user) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if u != nil {
		attr.Credential = &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.gid)}
	}
	return attr
}

// processorTime returns the processor time of this process so far.
func processorTime() (time.Duration, bool) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}

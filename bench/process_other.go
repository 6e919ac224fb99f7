//go:build !unix

package main

import (
	"syscall"
	"time"
)

// This file stands in for process_unix.go on other systems: no other users, no processor
// time.

const terminated = syscall.SIGTERM

func asUser(*user) *syscall.SysProcAttr { return nil }

func processorTime() (time.Duration, bool) { return 0, false }

//go:build !unix

package main

import (
	"syscall"
	"time"
)

const terminated = syscall.SIGTERM

func asUser(*user) *syscall.SysProcAttr { return nil }

func processorTime() (time.Duration, bool) { return 0, false }

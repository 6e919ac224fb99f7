//go:build !unix

package main

import "syscall"

const terminated = syscall.SIGTERM

func asUser(*user) *syscall.SysProcAttr { return nil }

//go:build !windows

package main

import (
	"os/signal"
	"syscall"
)

// This file lets a server that listens for Enter run in the background of a shell.

// readInBackground has a read from the terminal fail when the shell has the program in the
// background. Otherwise the system would stop the program, with all that it serves.
func readInBackground() { signal.Ignore(syscall.SIGTTIN) }

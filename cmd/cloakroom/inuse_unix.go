//go:build !windows

package main

import (
	"errors"
	"syscall"
)

// This file recognizes an address that is in use, on Unix.

// isInUse reports whether listening failed because the address is in use.
func isInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

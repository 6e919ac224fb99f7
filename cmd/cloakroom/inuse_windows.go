package main

import (
	"errors"
	"syscall"
)

// This file recognizes an address that is in use, on Windows.

// isInUse reports whether listening failed because the address is in use.
func isInUse(err error) bool {
	const wsaeaddrinuse = syscall.Errno(10048)
	return errors.Is(err, wsaeaddrinuse)
}

//go:build !windows

package main

import (
	"errors"
	"syscall"
)

// isInUse reports whether somebody else listens there already.
func isInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

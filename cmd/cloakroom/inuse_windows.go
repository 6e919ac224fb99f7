package main

import (
	"errors"
	"syscall"
)

// isInUse reports whether somebody else listens there already.
func isInUse(err error) bool {
	const wsaeaddrinuse = syscall.Errno(10048)
	return errors.Is(err, wsaeaddrinuse)
}

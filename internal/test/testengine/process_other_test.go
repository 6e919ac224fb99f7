//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package testengine

import "os"

var sigNone os.Signal = os.Interrupt

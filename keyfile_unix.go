//go:build unix

package cloakroom

import (
	"os"
	"syscall"
)

// This file is the owner of a key file on Unix systems.

// openNonblock keeps the opening of a FIFO from waiting for a writer.
const openNonblock = syscall.O_NONBLOCK

// isOurs reports whether a file belongs to the user of this process or to root.
func isOurs(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || int(stat.Uid) == os.Geteuid())
}

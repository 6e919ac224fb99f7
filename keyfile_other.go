//go:build !unix

package cloakroom

import "os"

// This file is the owner of a key file on systems where files have none: the folder
// decides who may read.

const openNonblock = 0

func isOurs(os.FileInfo) bool { return true }

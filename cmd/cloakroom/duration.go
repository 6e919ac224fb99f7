package main

import (
	"time"

	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is lengths of time on the command line.

// duration is a length of time on the command line: as in Go, and with d for
// days.
type duration time.Duration

const day = 24 * time.Hour

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(text []byte) error {
	v, err := human.ParseSpan(string(text))
	if err != nil {
		return err
	}
	*d = duration(v)
	return nil
}

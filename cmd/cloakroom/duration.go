package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is lengths of time on the command line.

// duration is a length of time on the command line: as in Go, and with d for
// days.
type duration time.Duration

const (
	day      = 24 * time.Hour
	shortest = time.Second
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		n = min(n, 1000) // keeps a time.Duration from overflowing
		v = time.Duration(n) * day
		if errors.Is(err, strconv.ErrRange) {
			err = nil
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("%q is no duration: give one such as 90s, 30m, 12h or 7d", text)
	case v < shortest:
		return fmt.Errorf("%q is too short: at least %v is needed", text, shortest)
	case v > cloakroom.MaxLifetime:
		return fmt.Errorf("%q is too long: at most %dd is allowed", text, cloakroom.MaxLifetime/day)
	}
	*d = duration(v)
	return nil
}

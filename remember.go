package cloakroom

import (
	"fmt"
	"time"
)

// This file is the idle timeout that a sign-in (LoginOptions.IdleTimeout and Remember) or
// an import gives its session.

// ownIdle returns the session's own idle timeout that it is given, in milliseconds, and
// whether it is given one. 0: the session never idles out.
func ownIdle(remember bool, d time.Duration) (ms int64, own bool, err error) {
	switch {
	case d == 0:
		return 0, remember, nil
	case d < 0, d > MaxLifetime:
		return 0, true, nil
	case d < time.Millisecond:
		return 0, false, fmt.Errorf("cloakroom: LoginOptions.IdleTimeout is %v: 0, a negative one, or a millisecond and more is allowed", d)
	default:
		return d.Milliseconds(), true, nil
	}
}

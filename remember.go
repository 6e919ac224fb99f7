package cloakroom

import (
	"fmt"
	"time"
)

// This file is the idle timeout that a sign-in gives its session
// (LoginOptions.IdleTimeout and Remember).

// ownIdle returns the session's own idle timeout that the sign-in gives, in milliseconds,
// and whether it gives one. 0: the session never idles out.
func (o *LoginOptions) ownIdle() (ms int64, own bool, err error) {
	switch d := o.IdleTimeout; {
	case d == 0:
		return 0, o.Remember, nil
	case d < 0, d > MaxLifetime:
		return 0, true, nil
	case d < time.Millisecond:
		return 0, false, fmt.Errorf("cloakroom: LoginOptions.IdleTimeout is %v: 0, a negative one, or a millisecond and more is allowed", d)
	default:
		return d.Milliseconds(), true, nil
	}
}

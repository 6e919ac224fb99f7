package cloakroom_test

import (
	"context"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the test of wrong foreign cookies, and of their limit.

// TestForeignCookiesThatAreWrong: beyond a rate none is looked at for a while.
func TestForeignCookiesThatAreWrong(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var refused, rate int
		p := newPort(t, func(c *cloakroom.Config) {
			c.Events = &cloakroom.Events{Refused: func(_ context.Context, _ cloakroom.ID, why cloakroom.Refusal) {
				switch why {
				case cloakroom.RefusedForeign:
					refused++
				case cloakroom.RefusedForeignRate:
					rate++
				}
			}}
		})
		wrong := p.arrives("", "")
		wrong.old = "x.bad"
		for range 1000 {
			wrong.want(200, look)
		}
		good := p.arrives("ann", "full")
		good.copy().wantSees("ann", "full")
		wrong.want(200, look)
		if refused != 1001 || rate != 1 {
			t.Errorf("%d refusals and %d pauses were told, want 1001 and 1", refused, rate)
		}
		good.want(503, look)
		wrong.want(503, look)
		p.guest().want(200, visit)
		p.clock.add(10 * time.Second)
		good.wantSees("ann", "full")
	})
}

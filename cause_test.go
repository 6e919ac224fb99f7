package cloakroom_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom"
)

// This file tests operations whose time is over while the store refuses writes: how often
// they ask, and that their error says what was wrong.

// writing is the ways to write, and the store's operation of each.
var writing = map[string]struct {
	op string
	f  func(r *rig, s *cloakroom.Session) error
}{
	"a save": {"update", func(_ *rig, s *cloakroom.Session) error {
		visits.Set(s, 2)
		return s.Save(context.Background())
	}},
	"a new session": {"create", func(r *rig, _ *cloakroom.Session) error {
		_, err := r.m.Create(context.Background())
		return err
	}},
	"an ending": {"bury", func(_ *rig, s *cloakroom.Session) error { return s.Destroy(context.Background()) }},
	"a sign-in": {"bury", func(r *rig, s *cloakroom.Session) error {
		return r.open(s).Login(context.Background(), "bob", nil)
	}},
	"signing out everywhere": {"bury", func(r *rig, _ *cloakroom.Session) error {
		return r.m.Admin().RevokeAll(context.Background(), "ann")
	}},
}

// TestI8_RefusedWritesArePaused: a store that answers reads and takes no writes, as one that
// is fenced, is asked with pauses that grow, and not as often as it answers.
func TestI8_RefusedWritesArePaused(t *testing.T) {
	for name, test := range writing {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.signedIn("ann")
			tries := 0
			r.store.hook(func(c *call) fate {
				if c.op != test.op || c.ledger() {
					return pass
				}
				tries++
				c.err = fmt.Errorf("%w: it takes no writes", cloakroom.ErrUnavailable)
				return answered
			})
			r.wantErr(name, test.f(r, s), cloakroom.ErrUnavailable)
			if tries < 5 || tries > 80 { // in 5 s, once or twice: a sign-in that failed is taken back
				t.Errorf("it was asked %d times", tries)
			}
		})
	}
}

// TestI8_CauseOutlastsTheTime: a store refuses writes and says why, until an attempt is cut
// off by the end of the operation's time. The error has the store's words all the same.
func TestI8_CauseOutlastsTheTime(t *testing.T) {
	const why = "the disk is full: free some"
	for name, test := range writing {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.signedIn("ann")
			tries := 0
			r.store.hook(func(c *call) fate {
				if c.op != test.op || c.ledger() {
					return pass
				}
				if tries++; tries > 3 {
					<-c.ctx.Done()
					c.err = fmt.Errorf("%w: %w", cloakroom.ErrUnavailable, c.ctx.Err())
				} else {
					c.err = fmt.Errorf("%w: %s", cloakroom.ErrUnavailable, why)
				}
				return answered
			})
			err := test.f(r, s)
			r.wantErr(name, err, cloakroom.ErrUnavailable)
			if tries <= 3 || !strings.Contains(err.Error(), why) {
				t.Errorf("after %d tries the error doesn't say why: %v", tries, err)
			}
		})
	}
}

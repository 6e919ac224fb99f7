package workload

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

// What promises nothing is the exception: an error that an operation has no
// business with is a violation, not an unknown outcome.
func TestResult(t *testing.T) {
	unknown := fmt.Errorf("%w: %w", cloakroom.ErrUnknown, cloakroom.ErrUnavailable)
	gone := fmt.Errorf("%w: %w", unknown, cloakroom.ErrGone)
	for _, c := range []struct {
		kind  history.Kind
		err   error
		want  history.Outcome
		ended bool
	}{
		{history.Set, nil, history.Done, false},
		{history.Set, unknown, history.Unknown, false},
		{history.Set, gone, history.Unknown, true},
		{history.Login, gone, history.Unknown, false},
		{history.Revoke, gone, history.Unknown, false},
		{history.Set, cloakroom.ErrUnavailable, history.Unavailable, false},
		{history.Set, cloakroom.ErrClosed, history.Unavailable, false},
		{history.Set, cloakroom.ErrGone, history.Gone, false},
		{history.Login, cloakroom.ErrConflict, history.Conflict, false},
		{history.Login, cloakroom.ErrRevoked, history.Revoked, false},
		{history.Get, unknown, history.Unknown, false},
		{history.Begin, unknown, history.Failed, false},
		{history.Destroy, unknown, history.Unknown, false},
		{history.Destroy, cloakroom.ErrUnavailable, history.Unknown, false},
		{history.Destroy, cloakroom.ErrClosed, history.Unknown, false},
		{history.Destroy, cloakroom.ErrInvalid, history.Failed, false},
		{history.Destroy, cloakroom.ErrGone, history.Gone, false},
		{history.Revoke, cloakroom.ErrUnavailable, history.Unknown, false},
		{history.Revoke, cloakroom.ErrCorrupt, history.Failed, false},
		{history.Revoke, cloakroom.ErrConflict, history.Conflict, false},
		{history.Set, cloakroom.ErrCorrupt, history.Failed, false},
		{history.Set, cloakroom.ErrTooLarge, history.Failed, false},
		{history.Set, errors.New("anything"), history.Failed, false},
		{history.Sweep, errors.New("anything"), history.Failed, false},
	} {
		if r := result(Op{Kind: c.kind}, c.err); r.Outcome != c.want || r.Ended != c.ended {
			t.Errorf("%s, %v: %s, ended %v; want %s, %v", c.kind, c.err, r.Outcome, r.Ended, c.want, c.ended)
		}
	}
}

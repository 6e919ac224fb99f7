package cloakroom_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the tests of who is signed in by a foreign session.

// TestImportPrincipalOfAnotherType: the old library kept users as numbers, and the new
// configuration takes them for texts. Nobody loses the sign-in by that mistake: nothing is
// imported until it is mended.
func TestImportPrincipalOfAnotherType(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("", "full")
		p.lib.put(v.oldID(), "user", "42")
		v.want(500, look)
		if !p.lib.has(v.oldID()) {
			t.Error("the foreign session was retired, though it wasn't imported")
		}
		if log := p.log.String(); !strings.Contains(log, `value \"user\"`) || strings.Contains(log, "42") {
			t.Errorf("the log has to name the value, and must not tell it: %s", log)
		}

		number := cloakroom.NewKey[int]("user")
		p.config.Import.Principal = func(_ context.Context, v cloakroom.Reader) (string, error) {
			if printed := fmt.Sprintf("%v %+v %s", v, v, v); strings.Contains(printed, "full") {
				t.Errorf("the values are printed: %s", printed)
			}
			id, ok, err := number.Lookup(v)
			if err != nil || !ok {
				return "", err
			}
			return strconv.Itoa(id), nil
		}
		v.m = p.another()
		v.wantSees("42", "full")
	})
}

// TestImportPrincipalLooksUp: Lookup's error is its caller's, who may go on.
func TestImportPrincipalLooksUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		number := cloakroom.NewKey[int]("user")
		p := newPort(t, nil)
		p.config.Import.Principal = func(_ context.Context, v cloakroom.Reader) (string, error) {
			if id, ok, err := number.Lookup(v); err == nil && ok {
				return strconv.Itoa(id), nil
			}
			return oldUser.Get(v), nil
		}
		v := p.arrives("ann", "full")
		v.m = p.another()
		v.wantSees("ann", "full")
	})
}

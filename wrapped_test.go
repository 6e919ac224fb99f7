package cloakroom_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is stores that are wrapped carelessly.

// careless is a wrapper that drops the record of a grave, as who returns early on an
// error does, or everything.
type careless struct {
	cloakroom.Store
	all bool
}

func (c *careless) Get(ctx context.Context, id cloakroom.ID) (*driver.Record, error) {
	rec, err := c.Store.Get(ctx, id)
	switch {
	case c.all:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return rec, nil
}

// A wrapper that loses graves, or records, is an outage that is said, neither a visitor
// who is told to reload for ever nor a panic. The cookie stays.
func TestI8_WrapperThatLosesRecords(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(1)
	token := s.Token()
	w := &careless{Store: r.store}
	m := r.managerOn(newFaulty(w), nil)
	get := func(want string) {
		t.Helper()
		g := &guest{r: r, m: m, token: token}
		answer := httptest.NewRecorder()
		m.With(look).ServeHTTP(answer, g.request(t.Context()))
		log := r.log.take()
		switch {
		case answer.Code != 503 || len(answer.Header()["Set-Cookie"]) > 0:
			t.Errorf("got %d, %v", answer.Code, answer.Header())
		case !strings.Contains(log, want):
			t.Errorf("the log doesn't say %q: %s", want, log)
		}
	}
	if err := s.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	get("did not return the record with its grave")
	w.all = true
	m.Close() // so that the line isn't held back
	m = r.managerOn(newFaulty(w), nil)
	get("neither a record nor an error")
}

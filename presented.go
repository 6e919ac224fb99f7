package cloakroom

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is the tokens that a request presents, as far as they can be judged without
// their records: forged, out of time, or several.

// presents reports whether a request carries a text that could be a token.
func (m *Manager) presents(r *http.Request) bool {
	for _, line := range r.Header[m.transport.vary()] {
		if _, _, ok := m.transport.next(line); ok {
			return true
		}
	}
	return false
}

// presented returns the token that a request carries, if the token verifies and its
// session can still be live at now. It returns several such tokens as more instead.
func (m *Manager) presented(r *http.Request, now time.Time) (one token.Token, ok bool, more []token.Token) {
	var first string
	for _, line := range r.Header[m.transport.vary()] {
		for text, rest, next := m.transport.next(line); next; text, rest, next = m.transport.next(rest) {
			switch {
			case !ok:
				first, ok = text, true
			case text != first:
				return m.presentedMany(r, now)
			}
		}
	}
	if !ok {
		return one, false, nil
	}
	one, ok = m.keyring.ring.Load().Parse(m.scope, first)
	switch {
	case !ok:
		m.events.refused(r.Context(), ID{}, RefusedForged)
	case !m.inTime(r.Context(), ID(one.ID), now):
		m.events.refused(r.Context(), ID(one.ID), RefusedAge)
		ok = false
	}
	return one, ok, nil
}

// presentedMany is presented for a request with different texts. It verifies each once,
// however many fit into a header, and sorts the tokens by id.
func (m *Manager) presentedMany(r *http.Request, now time.Time) (one token.Token, ok bool, more []token.Token) {
	ring := m.keyring.ring.Load()
	seen := map[string]bool{}
	var late ID // of a token that isn't in time
	for _, line := range r.Header[m.transport.vary()] {
		for text, rest, next := m.transport.next(line); next; text, rest, next = m.transport.next(rest) {
			if seen[text] {
				continue
			}
			seen[text] = true
			t, valid := ring.Parse(m.scope, text)
			switch {
			case !valid:
			case m.inTime(r.Context(), ID(t.ID), now):
				more = append(more, t)
			case bytes.Compare(t.ID[:], late[:]) > 0:
				late = t.ID
			}
		}
	}
	slices.SortFunc(more, func(a, b token.Token) int {
		return cmp.Or(bytes.Compare(a.ID[:], b.ID[:]), bytes.Compare(a.Secret[:], b.Secret[:]), compareOld(a, b))
	})
	// One secret that two keys signed is one token.
	more = slices.CompactFunc(more, func(a, b token.Token) bool { return a.ID == b.ID && a.Secret == b.Secret })
	switch {
	case len(more) == 1:
		return more[0], true, nil
	case len(more) > 1:
	case late.IsZero():
		m.events.refused(r.Context(), late, RefusedForged)
	default:
		m.events.refused(r.Context(), late, RefusedAge)
	}
	return one, false, more
}

// compareOld puts the token that the ring's first key signed first.
func compareOld(a, b token.Token) int {
	switch {
	case a.Old == b.Old:
		return 0
	case b.Old:
		return -1
	}
	return 1
}

// inTime reports whether a session of this id can still be live at a time. The id is one
// of a token that verifies. If it is out of time by this machine's clock, that may be
// wrong: then the engine's clock counts, which is asked once in some seconds at most. If
// it can't be asked, the record has to tell.
func (m *Manager) inTime(ctx context.Context, id ID, now time.Time) bool {
	switch l := id.Layout(); {
	case l == driver.LayoutImport: // its record tells when it was made
		return true
	case l < driver.LayoutHour, l > driver.LayoutMonth:
		return false
	}
	made := id.Time()
	within := func(now time.Time) bool {
		age := now.Sub(made)
		return age >= -driver.ClockTolerance && age < m.config.MaxLifetime
	}
	switch {
	case made.Before(m.config.NotBefore):
		return false
	case within(now):
		return true
	}
	there, err := m.records.EngineTime(ctx, now)
	return err != nil || within(there)
}

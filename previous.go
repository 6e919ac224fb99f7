package cloakroom

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is the secrets of before: what a record keeps of those that renewals
// replaced, and what they may still do.

// maxRenewGrace is how long an old secret stays good at most when nobody uses
// the new one: its token may have been lost on its way to the client.
const maxRenewGrace = time.Hour

// standing is what a secret that isn't the current one may do.
type standing int

const (
	standsOut   standing = iota // nothing
	standsOpen                  // it opens the session, in its grace
	standsEnded                 // nothing, and a strict renewal ended it: its requests are late
)

// standingOf judges a secret that isn't a record's current one.
//
// driver.ErrNewer: a newer version replaced it, so nobody here can tell.
func standingOf(ring *token.Ring, rec *driver.Record, secret [16]byte, now time.Time) (standing, error) {
	if previousOver(rec, now) {
		return standsOut, nil
	}
	list, newer := token.ParsePrevious(rec.Previous, millis(rec.PreviousEnds))
	if newer {
		return standsOut, errNewerVerifier(rec.ID)
	}
	for i := range list {
		e := &list[i]
		switch {
		case !inGrace(e, now) || !ring.IsReplaced(e, claims(rec), secret):
		case e.Ended():
			return standsEnded, nil
		default:
			return standsOpen, nil
		}
	}
	return standsOut, nil
}

// previousOver reports whether no replaced secret of a record means anything any more at
// a time. Another machine wrote when that is, whose clock may be behind as far as is
// tolerated: a grace of 30 s would be over at once, and a late request would begin a
// session whose cookie replaces the good one.
func previousOver(rec *driver.Record, now time.Time) bool {
	return !now.Before(rec.PreviousEnds.Add(driver.ClockTolerance))
}

// inGrace reports whether a replaced secret means anything at a time. Its end may have
// been edited in the store, which opens nothing beyond an hour: the time of its renewal
// can't be edited.
func inGrace(e *token.Replaced, now time.Time) bool {
	const longest, tolerance = int64(maxRenewGrace / time.Millisecond), int64(driver.ClockTolerance / time.Millisecond)
	at := millis(now)
	switch {
	case at >= e.Ends+tolerance:
		return false
	case e.Ended(): // it opens nothing
		return true
	case e.V1(): // it doesn't tell its renewal, so the hour has the tolerance too
		return e.Ends-at <= longest+tolerance
	}
	return at < e.At+longest && e.At-at <= tolerance
}

// replaceSecret puts a new secret in the place of a record's current one, which it
// keeps, behind the earlier ones that are in their grace. strict ends all of them.
//
// driver.ErrNewer: a newer version replaced the earlier ones, which may be needed.
func replaceSecret(ring *token.Ring, rec *driver.Record, current, next [16]byte, now time.Time, strict bool, grace time.Duration) error {
	earlier, newer := token.ParsePrevious(rec.Previous, millis(rec.PreviousEnds))
	if newer && !strict && !previousOver(rec, now) {
		return errNewerVerifier(rec.ID)
	}
	at := millis(now)
	list := []token.Replaced{ring.Replace(claims(rec), current, at, at+maxRenewGrace.Milliseconds())}
	for i := range earlier {
		if inGrace(&earlier[i], now) {
			list = append(list, earlier[i])
		}
	}
	var ends int64
	for i := range list {
		e := &list[i]
		if strict && !e.Ended() {
			e.End()
			e.Ends = at + min(grace, maxRenewGrace).Milliseconds()
		}
		ends = max(ends, e.Ends)
	}
	rec.Previous, rec.PreviousEnds = token.AppendPrevious(nil, list), time.UnixMilli(ends).UTC()
	rec.Verifier = ring.Verifier(claims(rec), next)
	if strict {
		rec.Extra = rec.Extra.With(driver.ExtraStrict, json.RawMessage(`"`+driver.NewWriteID().String()+`"`))
	}
	return nil
}

// strictOf tells a record's last strict renewal from others, "" for none. It goes on
// telling when the secrets that were ended are no longer kept.
func strictOf(rec *driver.Record) string { return string(rec.Extra.Get(driver.ExtraStrict)) }

// stillGood returns an error if a strict renewal has ended a secret since strictOf was
// strict, when it opened the record.
func (m *Manager) stillGood(rec *driver.Record, secret [16]byte, strict string) error {
	if strictOf(rec) == strict {
		return nil
	}
	ok, err := m.isCurrent(rec, secret)
	if err == nil && !ok {
		err = errEnded(rec.ID)
	}
	return err
}

// isCurrent reports whether a secret is a record's current one.
//
// driver.ErrNewer: a newer version made the verifier, so nobody here can tell.
func (m *Manager) isCurrent(rec *driver.Record, secret [16]byte) (bool, error) {
	ok, _ := m.keyring.ring.Load().Check(rec.Verifier, claims(rec), secret)
	if !ok && token.Newer(rec.Verifier) {
		return false, errNewerVerifier(rec.ID)
	}
	return ok, nil
}

// errRenewed is the error of what takes the current secret, where the request came with
// another.
func errRenewed(doing string) error {
	return fmt.Errorf("cloakroom: %s: the request's token has been renewed, repeat it with the new one: %w", doing, ErrConflict)
}

// errNewerVerifier is the error where it would take a newer version to tell whether a
// secret opens a session.
func errNewerVerifier(id ID) error {
	return fmt.Errorf("cloakroom: verifier of %v: %w", id, driver.ErrNewer)
}

// errEnded is the error of a request whose secret a strict renewal has ended.
func errEnded(id ID) error {
	return fmt.Errorf("cloakroom: the secret that the request of %v came with was ended by a renewal: %w", id, ErrGone)
}

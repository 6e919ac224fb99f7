package cloakroom

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is previous secrets: the record keeps those that renewals replaced, and this
// judges whether one still opens the session.

// maxRenewGrace is how long an old secret stays good at most if nobody uses the new one,
// whose token may have been lost on its way to the client.
const maxRenewGrace = time.Hour

// standing is the right of a secret that isn't the current one.
type standing int

const (
	standsOut   standing = iota // it opens nothing
	standsOpen                  // it opens the session, in its grace
	standsEnded                 // it opens nothing, as a strict renewal ended it: its requests are late
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

// previousOver reports whether all replaced secrets of a record are over at now. Their
// end was written by another machine, whose clock may be behind by the tolerance: without
// it, a grace of 30 s would be over at once, and a late request would begin a session
// whose cookie replaces the good one.
func previousOver(rec *driver.Record, now time.Time) bool {
	return !now.Before(rec.PreviousEnds.Add(driver.ClockTolerance))
}

// inGrace reports whether a replaced secret still counts at now. Its end may have been
// edited in the store. That opens nothing later than an hour after its renewal, whose
// time can't be edited.
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

// replaceSecret puts a new secret in the place of a record's current one. The record
// keeps the current one, before the earlier ones that are in their grace. strict ends all
// of them.
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

// strictOf returns the mark of a record's last strict renewal, "" for none. The record
// has it even after the secrets that were ended are gone.
func strictOf(rec *driver.Record) string { return string(rec.Extra.Get(driver.ExtraStrict)) }

// stillGood returns an error if a strict renewal has ended a secret since it opened the
// record. strict is strictOf at that time.
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

// errRenewed is the error of an operation that takes the current secret, for a request
// that came with another.
func errRenewed(doing string) error {
	return fmt.Errorf("cloakroom: %s: the request's token has been renewed, repeat it with the new one: %w", doing, ErrConflict)
}

// errNewerVerifier is the error where only a newer version could tell whether a secret
// opens a session.
func errNewerVerifier(id ID) error {
	return fmt.Errorf("cloakroom: verifier of %v: %w", id, driver.ErrNewer)
}

// errEnded is the error of a request whose secret a strict renewal has ended.
func errEnded(id ID) error {
	return fmt.Errorf("cloakroom: the secret that the request of %v came with was ended by a renewal: %w", id, ErrGone)
}

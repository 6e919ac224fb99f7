package scsstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the record of a session: the id that is derived from a token, the data and
// the times.

// The names of a record's values.
const (
	dataName  = "data"  // what scs encoded, in base64
	tokenName = "token" // the hash that scs made of the token; only if it hashes
)

// ID returns the id of a token's record, for cloakroom.Admin and for logs. It is derived
// by a hash, and no credential. If the manager hashes tokens, its Token method returns
// another token than the one that Store is given; use the one from All.
func (s *Store) ID(token string) driver.ID {
	return driver.DerivedID(driver.LayoutImport, "cloakroom scs v1", s.config.App, token)
}

// hashOfNothing is what scs hashes the empty token to.
var hashOfNothing = func() string {
	sum := sha256.Sum256(nil)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}()

// isNobodys reports whether a token is the empty one. scs deletes it each time that a
// visitor without a session signs out: all of them would write to one record.
func isNobodys(token string) bool { return token == "" || token == hashOfNothing }

// content is what a Commit keeps.
type content struct {
	values driver.ValueList
	expiry time.Time
}

func (s *Store) content(token string, data []byte, expiry time.Time) content {
	values := driver.ValueList{{Name: dataName, JSON: quote(base64.StdEncoding.EncodeToString(data))}}
	if s.hashes() {
		values = values.With(tokenName, quote(base64.RawURLEncoding.EncodeToString([]byte(token))))
	}
	return content{values, within(expiry)}
}

// hashes reports whether the tokens that scs passes in are hashes.
func (s *Store) hashes() bool {
	return s.config.Manager != nil && s.config.Manager.HashTokenInStore
}

// quote makes JSON of base64, which needs no escapes.
func quote(text string) json.RawMessage { return json.RawMessage(`"` + text + `"`) }

// earliest and latest bound what is kept as an expiry. The zero time would stand for
// "never" in a store.
var (
	earliest = time.UnixMilli(1).UTC()
	latest   = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
)

func within(expiry time.Time) time.Time {
	switch {
	case expiry.Before(earliest):
		return earliest
	case expiry.After(latest):
		return latest
	}
	return expiry.UTC().Truncate(time.Millisecond)
}

// next returns the record that a Commit writes in the place of cur, or as the first of
// its id if cur is nil.
//
// Expires lies behind Deadline by as long as a sweep leaves a record that is past its
// deadline. So a sweep removes the record and never buries it: after an expiry the token
// may be committed again, and after a Delete it may not.
func (s *Store) next(id driver.ID, cur *driver.Record, c content, by driver.WriteID) *driver.Record {
	now := s.config.Now().UTC().Truncate(time.Millisecond)
	rec := &driver.Record{
		ID: id, Kind: driver.KindSession, App: s.config.App, Created: now,
		// To a Manager that looks at the record it has no idle timeout.
		Extra: driver.ValueList{{Name: driver.ExtraIdle, JSON: json.RawMessage("0")}},
	}
	if cur != nil {
		whole := *cur
		rec = &whole
	}
	if now.After(rec.Seen) {
		rec.Seen = now
	}
	rec.Values = c.values
	rec.Deadline = c.expiry
	rec.Expires = c.expiry.Add(driver.ClockTolerance)
	rec.Writes++
	rec.WriteIDs = driver.PushWriteID(rec.WriteIDs, by)
	return rec
}

// isOver reports whether a session has expired.
func isOver(rec *driver.Record, now time.Time) bool { return !now.Before(rec.Deadline) }

// dataOf returns a copy of a session's data.
func dataOf(rec *driver.Record) ([]byte, error) {
	data, ok := unquote(rec.Values.Get(dataName), base64.StdEncoding)
	if !ok {
		return nil, fmt.Errorf("scsstore: reading %v: %w: its value %q is not a text of base64", rec.ID, driver.ErrCorrupt, dataName)
	}
	return data, nil
}

// tokenOf returns the hash of the token, which scs calls the token. ok is false if the
// record keeps none.
func tokenOf(rec *driver.Record) (token string, ok bool) {
	text, ok := unquote(rec.Values.Get(tokenName), base64.RawURLEncoding)
	return string(text), ok
}

// unquote is the inverse of quote. It returns memory of its own.
func unquote(raw json.RawMessage, encoding *base64.Encoding) ([]byte, bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return nil, false
	}
	text := raw[1 : len(raw)-1]
	if slices.Contains(text, '\\') { // somebody else wrote it, with escapes
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return nil, false
		}
		text = []byte(s)
	}
	data, err := encoding.AppendDecode(make([]byte, 0, encoding.DecodedLen(len(text))), text)
	return data, err == nil
}

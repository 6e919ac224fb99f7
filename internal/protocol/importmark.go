package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the mark of an imported session in its record: whether its token has been
// presented, until when the foreign session opens it, and what is left to do at the
// library that it came from.

// importMark is the member driver.ExtraImport.
type importMark struct {
	Used    int64  `json:"used,omitempty"`    // when a request first presented the token, in Unix milliseconds; 0: none has
	Pending string `json:"pending,omitempty"` // sealed by the caller of Import: the foreign session, which isn't retired yet
}

// importMarkOf returns the mark of an imported session. ok is false for any other. A mark
// that can't be understood is one whose token was presented long ago, so it opens nothing
// by the foreign session.
func importMarkOf(rec *driver.Record) (m importMark, ok bool) {
	raw := rec.Extra.Get(driver.ExtraImport)
	if raw == nil {
		return m, false
	}
	if json.Unmarshal(raw, &m) != nil || m.Used < 0 {
		return importMark{Used: 1}, true
	}
	return m, true
}

// putInto puts the mark into a record.
func (m importMark) putInto(next *driver.Record) {
	raw, _ := json.Marshal(m) //nolint:errchkjson // numbers and texts
	next.Extra = next.Extra.With(driver.ExtraImport, raw)
}

// MarkImported makes next a session that is imported, whose token nobody has presented.
// pending tells the caller of Import, later, how to retire the foreign session.
func MarkImported(next *driver.Record, pending string) { importMark{Pending: pending}.putInto(next) }

// PendingOf returns the text of MarkImported, or of Import.Pending since; "": the foreign
// session has been retired, or the session isn't imported.
func PendingOf(rec *driver.Record) string {
	m, _ := importMarkOf(rec)
	return m.Pending
}

// HeardAt returns when a request first presented the token of an imported session, so
// that its client no longer needs the foreign session. ok is false if none has.
func HeardAt(rec *driver.Record) (at time.Time, ok bool) {
	m, imported := importMarkOf(rec)
	if !imported || m.Used == 0 {
		return time.Time{}, false
	}
	return time.UnixMilli(m.Used).UTC(), true
}

// Digests are the digests of a foreign session's values by name, so that its changes can
// be told after the process that read it has gone.
type Digests map[string]string

// DigestsOf returns the digests of values.
func DigestsOf(values driver.ValueList) Digests {
	d := make(Digests, len(values))
	for name, raw := range values.All() {
		sum := sha256.Sum256(raw)
		d[name] = base64.RawStdEncoding.EncodeToString(sum[:12])
	}
	return d
}

// follow makes the changes on values that a foreign session, once of the digests d, has
// gone through. A value that it didn't change stays as the imported session has it.
func (d Digests) follow(values, foreign driver.ValueList) driver.ValueList {
	now := DigestsOf(foreign)
	for name, raw := range foreign.All() {
		if d[name] != now[name] && !bytes.Equal(values.Get(name), raw) {
			values = values.With(name, raw)
		}
	}
	for name := range d {
		if _, there := now[name]; !there {
			values = values.Without(name)
		}
	}
	return values
}

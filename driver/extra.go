package driver

import (
	"fmt"
	"strconv"
)

// This file is how records grow: the names of what later versions add to them.
//
// Extra is a record's members beyond those that this version has fields for, and
// so it is with graves. A later version adds members at the top level only. It
// gives none of those that are there another meaning, and puts nothing new into
// them: within a member, such as client, an older version keeps only what it
// knows. A record's id, kind and deadline, and what a grave is told by, are the
// same in every format, so that an older version can sweep and bury what it can't
// otherwise work with.
//
// A name in Extra is UTF-8, and none of those that the store itself has a use for.
// A store refuses others with ErrInvalid, and may refuse names that its engine
// can't keep, such as the empty one. Each value is JSON, which stores keep as it
// is spelt, but for space between its parts.

// Format is the newest format of records that this version can work with. A
// record that says in Extra, under ExtraFormat, that it is of a later one is
// ErrNewer. A format is raised only where an older process can't do with
// keeping what it doesn't know.
const Format = 1

// The names in Extra that are spoken for. Stores treat none of them apart, but
// for ExtraFormat. Nothing but that has a meaning yet: they are decided so that
// processes of several versions agree on them.
const (
	ExtraFormat    = "format"    // a number; absent: 1
	ExtraIdle      = "idle"      // the session's own idle timeout, in milliseconds
	ExtraMethod    = "method"    // how the principal proved who it is, such as "passkey"
	ExtraLevel     = "level"     // how far that is to be trusted: a number, more is better
	ExtraActor     = "actor"     // who acts in the principal's place
	ExtraLabels    = "labels"    // an object of texts
	ExtraAliases   = "aliases"   // a list of other names that the session is found by
	ExtraDeviceKey = "deviceKey" // the public key of the device that the session is bound to
)

// CheckFormat returns ErrNewer if a record with these extra members is of a format
// that this version doesn't know, and ErrCorrupt if it doesn't say which in a way
// that any version would. Stores call it for the records that Get and Search would
// return. They don't for graves: a grave is a grave in every format.
func CheckFormat(extra ValueList) error {
	if len(extra) == 0 {
		return nil
	}
	raw := extra.Get(ExtraFormat)
	if raw == nil {
		return nil
	}
	n, err := strconv.ParseUint(string(raw), 10, 31)
	switch {
	case err != nil || n == 0:
		return fmt.Errorf("%w: its format is not a number from 1 on", ErrCorrupt)
	case n > Format:
		return fmt.Errorf("%w: it is of format %d, this version knows %d", ErrNewer, n, Format)
	}
	return nil
}

package driver

import (
	"errors"
	"fmt"
	"strconv"
)

// This file is the growth of records: their format, and the names in Extra.

// Format is the newest format of records that this version can work with. A
// record that says in Extra, under ExtraFormat, that it is of a later one is
// ErrNewer. A format is raised only where an older process can't do with
// keeping what it doesn't know.
const Format = 1

// The names in a record's Extra that are spoken for. Stores treat none of them apart,
// but for ExtraFormat. Some have no meaning yet: they are decided so that processes of
// several versions agree on them.
const (
	ExtraFormat     = "format"     // a number; absent: 1
	ExtraGeneration = "generation" // of the ledger when the session was signed in, as a WriteID's text; absent: none
	ExtraUnused     = "unused"     // no request has presented the sign-in's token yet: true, or what values were carried into it
	ExtraStrict     = "strict"     // of the last renewal that ended all secrets before it, as a WriteID's text; absent: none
	ExtraIdle       = "idle"       // the session's own idle timeout, a number of milliseconds; 0: it has none; absent: Config.IdleTimeout
	ExtraMethod     = "method"     // how the principal proved who it is, such as "passkey"
	ExtraLevel      = "level"      // how far that is to be trusted: a number, more is better
	ExtraActor      = "actor"      // who acts in the principal's place
	ExtraLabels     = "labels"     // an object of texts
	ExtraAliases    = "aliases"    // a list of other names that the session is found by
	ExtraDeviceKey  = "deviceKey"  // the public key of the device that the session is bound to
)

// ExtraReplaced is the name in the Extra of the grave of a session that a sign-in
// replaced, under which the grave keeps what tells who may ask for its successor: an
// object with the verifier (base64), what that covers beside the grave's fields ("created"
// and "authenticated" in Unix milliseconds, "idle" and "generation" as in the record), and
// whether no request had presented the session's token ("unused").
const ExtraReplaced = "replaced"

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
	n, err := strconv.ParseUint(string(raw), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange): // n is the most there is
	case err != nil || n == 0:
		return fmt.Errorf("%w: its format is not a number from 1 on", ErrCorrupt)
	}
	if n > Format {
		return fmt.Errorf("%w: it is of format %d, this version knows %d", ErrNewer, n, Format)
	}
	return nil
}

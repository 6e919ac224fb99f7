package driver

import (
	"errors"
	"fmt"
	"strconv"
)

// This file is the growth of records: their format, and the names in Extra.

// Format is the newest format of records that this version can work with. A record whose
// ExtraFormat in Extra names a later one is ErrNewer. The format is raised only if an
// older process must not work with the record, even though it keeps the members that it
// doesn't know.
const Format = 1

// The reserved names in a record's Extra. Stores treat none of them specially, except
// ExtraFormat. Some have no meaning yet: they are reserved so that processes of several
// versions agree on them.
const (
	ExtraFormat     = "format"     // a number; absent: 1
	ExtraGeneration = "generation" // of the ledger when the session was signed in, as a WriteID's text; absent: none
	ExtraUnused     = "unused"     // no request has presented the sign-in's token yet: true, or the values that were carried into it
	ExtraStrict     = "strict"     // of the last renewal that ended all secrets before it, as a WriteID's text; absent: none
	ExtraImport     = "import"     // of a session that was imported, an object: when its token was first presented ("used", Unix milliseconds), and what is left to do at the library that it came from ("pending", sealed)
	ExtraIdle       = "idle"       // the session's own idle timeout, a number of milliseconds; 0: it has none; absent: Config.IdleTimeout
	ExtraMethod     = "method"     // the method of the principal's authentication, such as "passkey"
	ExtraLevel      = "level"      // the trust in that method: a number, more is better
	ExtraActor      = "actor"      // the one that acts in the principal's place
	ExtraLabels     = "labels"     // an object of texts
	ExtraAliases    = "aliases"    // a list of other names that the session is found by
	ExtraDeviceKey  = "deviceKey"  // the public key of the device that the session is bound to
	ExtraCopied     = "copied"     // the newest write id, as its text, of the state that was copied here from another store; also in a Grave's Extra
)

// ExtraReplaced is a name in the Extra of the grave of a session that a sign-in
// replaced. Under it the grave keeps an object that tells who may ask for its successor.
// The object has the verifier (base64), the fields that the verifier covers and the
// grave lacks ("created" and "authenticated" in Unix milliseconds, "idle" and
// "generation" as in the record), and whether no request had presented the session's
// token ("unused").
const ExtraReplaced = "replaced"

// CheckFormat returns ErrNewer if a record with these extra members is of a format that
// this version doesn't know, and ErrCorrupt if its ExtraFormat has no form that any
// version writes. Stores call it for the records that Get and Search would return, and
// not for graves: a grave is a grave in every format.
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
	case errors.Is(err, strconv.ErrRange): // n is the largest number
	case err != nil || n == 0:
		return fmt.Errorf("%w: its format is not a number from 1 on", ErrCorrupt)
	}
	if n > Format {
		return fmt.Errorf("%w: it is of format %d, this version knows %d", ErrNewer, n, Format)
	}
	return nil
}

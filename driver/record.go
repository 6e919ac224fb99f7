package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// This file is Record and the parts of it.

// Record holds a session in a store, or a principal's sessions (a ledger). Times are
// UTC, to the millisecond; the zero time means "none". The fields' comments describe the
// Manager's use. A store keeps any record that it is given. Only ID, Version, Kind,
// Expires, Deadline and the fields of a Query have a meaning for it.
//
// Records are shared: a result of Get, or a record that Create was given, is never
// changed, but copied. A shallow copy will do, since the lists in it are shared as well.
type Record struct {
	ID   ID
	Kind Kind

	App       string // names the application; several share a store
	Principal string // the user that the session is signed in as; "" for none

	Created       time.Time
	Authenticated time.Time // the principal's last authentication
	Seen          time.Time // last activity; never goes backwards
	Expires       time.Time // min(Seen + idle timeout, Deadline)
	Deadline      time.Time // the absolute end

	// Verifier proves the token's secret, and covers the id, the principal and those
	// times above that must not be edited. It doesn't reveal the secret.
	Verifier []byte
	// Previous has the verifiers that renewals replaced. All have ended ClockTolerance
	// after PreviousEnds.
	Previous     []byte
	PreviousEnds time.Time

	Persistent bool   // the token outlives the browser's run ("remember me")
	Client     Client // the session's last user

	Writes   uint64    // the count of the record's writes; each write raises it
	WriteIDs []WriteID // of the last writes, newest first, at most MaxWriteIDs

	Values ValueList

	// Extra has the members that a newer version added beyond these fields. The Manager
	// passes them on, and the store keeps them like Values. The Extra constants are the
	// reserved names.
	Extra ValueList

	// Grave is set only in records that Store.Get returns with ErrGone. Then only ID and
	// Version are set beside it. Create and Update are never given one.
	Grave *Grave

	Version Version // the store's own; set in records that it returns, compared by Update
}

// Raw returns one of the record's values as JSON, so that a cloakroom.Key can read it.
// The bytes are shared: don't change them.
func (r *Record) Raw(name string) (json.RawMessage, bool) {
	raw := r.Values.Get(name)
	return raw, raw != nil
}

// Kind tells a session from a ledger.
type Kind string

// The kinds of records.
const (
	KindSession Kind = "session"
	KindLedger  Kind = "ledger"
)

// Client is the last user of a session, as far as the server can see.
type Client struct {
	Address   string // an IP address without port, or the result of Config.ClientAddr; cut to 64 bytes
	UserAgent string // cut to 256 bytes
}

// Version is a store's name for one state of a record or grave. Every write gives its id
// a new version, even a write that changes nothing. Versions of an id never repeat, not
// even after its record was removed and made again, nor over restarts. So a count in the
// record itself is not enough. Versions may repeat only for ids in a period that was
// dropped whole, which are so old that no session can have them any more. Different ids
// may have the same version.
//
// Only the store knows the meaning of the two numbers; others compare versions for
// equality alone. A store may use all 64 bits of both. The zero Version means "none",
// and no state has it.
type Version struct{ Term, Seq uint64 }

// IsZero reports whether v is the zero Version, which no state has.
func (v Version) IsZero() bool { return v == Version{} }

// String returns the version for logs.
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Term, v.Seq) }

// IsGone reports whether Store.Get returned a grave.
func IsGone(r *Record, err error) bool {
	return errors.Is(err, ErrGone) && r != nil && r.Grave != nil
}

// GraveFor returns the grave that replaces the record as it is here, at a time, by the
// write by.
func (r *Record) GraveFor(why EndReason, at time.Time, by WriteID) Grave {
	return Grave{
		Reason: why, At: at, Until: r.Deadline, App: r.App, Principal: r.Principal,
		Writes: r.Writes + 1, WriteIDs: PushWriteID(r.WriteIDs, by),
	}
}

// ExpiredGrave returns the grave in which a sweep at the time now buries an idle
// session. Its write id is new.
func (r *Record) ExpiredGrave(now time.Time) Grave { return r.GraveFor(EndExpired, now, NewWriteID()) }

// Size estimates the bytes of memory that the record takes beyond the fields that all
// records have.
func (r *Record) Size() int {
	const each = 64 // bytes of a list's entry
	n := len(r.Principal) + len(r.Client.Address) + len(r.Client.UserAgent)
	for _, l := range []ValueList{r.Values, r.Extra} {
		for _, v := range l {
			n += len(v.Name) + len(v.JSON) + each
		}
	}
	return n
}

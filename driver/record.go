package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// This file is Record and the parts of it.

// Record is what a store keeps of a session, or of a principal's sessions (a
// ledger). Times are UTC, to the millisecond; the zero time means "none". The
// comments say what the Manager puts there. A store keeps whatever it is given, and
// goes by ID, Version, Kind, Expires, Deadline and what a Query asks for.
//
// Records are shared: what Get returned and what Create was given is never changed,
// but copied. A shallow copy will do, since the lists in it are shared as well.
type Record struct {
	ID   ID
	Kind Kind

	App       string // names the application; several share a store
	Principal string // the user that the session is signed in as; "" for none

	Created       time.Time
	Authenticated time.Time // when the principal last proved who it is
	Seen          time.Time // last activity; never goes backwards
	Expires       time.Time // min(Seen + idle timeout, Deadline)
	Deadline      time.Time // the absolute end

	// Verifier proves the token's secret together with the id, the principal
	// and the times above that must not be edited. It doesn't tell the secret.
	Verifier []byte
	// Previous is the verifiers that renewals replaced; all are over ClockTolerance
	// after PreviousEnds.
	Previous     []byte
	PreviousEnds time.Time

	Persistent bool   // the token outlives the browser's run ("remember me")
	Client     Client // who used the session last

	Writes   uint64    // how often the record has been written; each write raises it
	WriteIDs []WriteID // of the last writes, newest first, at most MaxWriteIDs

	Values ValueList

	// Extra is what a record has beyond these fields: what a newer version put
	// there. The Manager passes it on, and the store keeps it like Values. The
	// Extra constants are the names spoken for.
	Extra ValueList

	// Grave is set in what Store.Get returns with ErrGone alone; then nothing
	// else is but ID and Version. Create and Update are never given one.
	Grave *Grave

	Version Version // the store's own; set in what it returns, compared by Update
}

// Raw returns one of the record's values as JSON, so that a cloakroom.Key can read it.
// The bytes are shared: don't change them.
func (r *Record) Raw(name string) (json.RawMessage, bool) {
	raw := r.Values.Get(name)
	return raw, raw != nil
}

// Kind tells what a record is.
type Kind string

// The kinds of records.
const (
	KindSession Kind = "session"
	KindLedger  Kind = "ledger"
)

// Client tells who used a session last, as far as the server can see.
type Client struct {
	Address   string // an IP address without port, or what Config.ClientAddr says; cut to 64 bytes
	UserAgent string // cut to 256 bytes
}

// Version is a store's name for one state of a record or grave. Every write gives
// its id a new one, even a write that changes nothing. Versions of an id never
// repeat, not even after its record was removed and made again, nor over restarts.
// A count in the record itself is therefore not enough. They may repeat only for
// ids so old that no session can have them any more, in a period that was dropped
// whole. Different ids may have the same.
//
// What the two numbers mean is the store's business: others only compare versions
// for equality. They use all 64 bits if the store does. The zero Version is none at
// all, and no state has it.
type Version struct{ Term, Seq uint64 }

// IsZero reports whether v is no version at all.
func (v Version) IsZero() bool { return v == Version{} }

// String returns the version for logs.
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Term, v.Seq) }

// IsGone reports whether Store.Get returned a grave.
func IsGone(r *Record, err error) bool {
	return errors.Is(err, ErrGone) && r != nil && r.Grave != nil
}

// GraveFor returns the grave that replaces the record as it is here, at a time,
// by a write of this id.
func (r *Record) GraveFor(why EndReason, at time.Time, by WriteID) Grave {
	return Grave{
		Reason: why, At: at, Until: r.Deadline, App: r.App, Principal: r.Principal,
		Writes: r.Writes + 1, WriteIDs: PushWriteID(r.WriteIDs, by),
	}
}

// ExpiredGrave returns the grave that a sweep at the time now buries an idle
// session in. Its write id is new.
func (r *Record) ExpiredGrave(now time.Time) Grave { return r.GraveFor(EndExpired, now, NewWriteID()) }

// Size returns about how many bytes of memory the record takes beyond the
// fields that all records have.
func (r *Record) Size() int {
	const each = 64 // of a list's entry
	n := len(r.Principal) + len(r.Client.Address) + len(r.Client.UserAgent)
	for _, l := range []ValueList{r.Values, r.Extra} {
		for _, v := range l {
			n += len(v.Name) + len(v.JSON) + each
		}
	}
	return n
}

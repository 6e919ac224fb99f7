package cloakroom

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"
)

// Record is what a store keeps of a session, or of a principal's sessions (a
// ledger). Times are UTC, to the millisecond; the zero time means "none".
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
	// Previous is the verifier that a renewal replaced; it is good until
	// PreviousEnds.
	Previous     []byte
	PreviousEnds time.Time

	Persistent bool   // the token outlives the browser's run ("remember me")
	Client     Client // who used the session last

	Writes uint64 // how often the record has been written; each write raises it
	Revs   []Rev  // nonces of the last writes, newest first, at most MaxRevs

	Values ValueList

	// Grave is set in what Store.Get returns with ErrGone; then nothing else
	// is but ID and Version.
	Grave *Grave

	Version Version // the store's own; set by the store in what it returns
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
	Address   string // an IP address without port, or what Config.ClientAddr says
	UserAgent string // cut to 256 bytes
}

// MaxRevs is how many revs a record keeps. A write whose answer was lost can be
// told from one that never happened while no more than MaxRevs others follow.
const MaxRevs = 8

// Rev is the random nonce of one write. A writer that doesn't know whether its
// write happened finds the answer by looking for its rev in the record.
type Rev [8]byte

func newRev() Rev {
	var r Rev
	_, _ = rand.Read(r[:]) // never fails (crypto/rand)
	return r
}

// String returns the rev as text: base64url without padding, 11 characters.
func (r Rev) String() string { return base64.RawURLEncoding.EncodeToString(r[:]) }

// MarshalText returns what String does.
func (r Rev) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, r[:]), nil
}

// UnmarshalText is the inverse of MarshalText.
func (r *Rev) UnmarshalText(text []byte) error {
	var parsed Rev
	if len(text) != base64.RawURLEncoding.EncodedLen(len(r)) {
		return fmt.Errorf("rev of %d characters: a rev has 11", len(text))
	}
	if n, err := textEncoding.Decode(parsed[:], text); err != nil || n != len(parsed) {
		return fmt.Errorf("rev %q is not base64url without padding", text)
	}
	*r = parsed
	return nil
}

// Version is a store's name for one state of a record. Versions of an id never
// repeat, not even after its record was removed and made again; only of ids so
// old that no session can have them any more, in a period that was dropped whole,
// they may. What the two numbers mean is the store's business; the zero Version
// is none at all.
type Version struct{ Term, Seq uint64 }

// IsZero reports whether v is no version at all.
func (v Version) IsZero() bool { return v == Version{} }

// String returns the version for logs.
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Term, v.Seq) }

// Grave is what an ended session leaves: it refuses creates and updates of its
// id, so that no write that is still on its way can bring the session back.
type Grave struct {
	Reason    Reason
	At        time.Time // when it was dug
	Until     time.Time // not removed before; at least the session's deadline
	Successor ID        // with EndReplaced: the session that took over

	// Writes and Revs go on counting where the record left off, the burial
	// included, so that the outcome of a write before it can still be learned.
	// An unconditional burial, which didn't read the record, has only its own.
	Writes uint64
	Revs   []Rev
}

// ExpiredGrave returns the grave that a sweep at the time now buries an idle
// session in.
func (r *Record) ExpiredGrave(now time.Time) Grave { return graveOf(r, EndExpired, now, newRev()) }

// Reason says why a session ended.
type Reason string

// The reasons.
const (
	EndDestroyed Reason = "destroyed" // signed out, or ended by the application
	EndReplaced  Reason = "replaced"  // a sign-in moved it to a new session
	EndRevoked   Reason = "revoked"   // ended from elsewhere: signed out everywhere, or over the limit
	EndExpired   Reason = "expired"   // found idle for too long
	EndAbandoned Reason = "abandoned" // a sign-in that failed took back its new session
)

// pushRev returns revs with rev in front, cut to MaxRevs, in a new slice.
func pushRev(revs []Rev, rev Rev) []Rev {
	out := make([]Rev, 1, min(len(revs)+1, MaxRevs))
	out[0] = rev
	return append(out, revs[:min(len(revs), MaxRevs-1)]...)
}

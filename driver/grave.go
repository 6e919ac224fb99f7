package driver

import "time"

// This file is the grave of an ended session, and the reasons for one.

// Grave takes the place of an ended session's record; others call it a tombstone. While
// a store keeps a grave it refuses creates and updates of its id, so that no write still
// under way can bring the session back. A grave has a version like a record, and all of
// its fields come back from Get.
type Grave struct {
	Reason    EndReason
	At        time.Time // when the session was buried
	Until     time.Time // Sweep removes it ClockTolerance later; at least the session's deadline
	Successor ID        // with EndReplaced: the session that took over; else zero

	// App and Principal are the session's; "" if the process that buried it didn't know
	// them.
	App, Principal string

	// Writes and WriteIDs continue the record's, with the burial included, so that the
	// outcome of a write before it can still be learned. An unconditional burial, which
	// didn't read the record, has only its own.
	Writes   uint64
	WriteIDs []WriteID

	// Extra has the members that a newer version added, as in a Record.
	Extra ValueList
}

// EndReason is the reason why a session ended.
type EndReason string

// The reasons.
const (
	EndDestroyed EndReason = "destroyed" // signed out, or ended by the application
	EndReplaced  EndReason = "replaced"  // a sign-in moved it to a new session
	EndRevoked   EndReason = "revoked"   // ended from elsewhere, such as signed out everywhere
	EndOverLimit EndReason = "limit"     // a sign-in found that the principal had too many; earlier versions write "revoked"
	EndExpired   EndReason = "expired"   // found idle for too long
	EndAbandoned EndReason = "abandoned" // a sign-in that failed took back its new session
)

// EndReasons returns all reasons.
func EndReasons() []EndReason {
	return []EndReason{EndDestroyed, EndReplaced, EndRevoked, EndOverLimit, EndExpired, EndAbandoned}
}

package transfer

import (
	"fmt"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is findings: what differs between the stores, and why.

// Reason is why the stores differ in one id. Its words are for machines.
type Reason string

// The reasons. Those that a further copying mends are Missing, Behind and Ended.
const (
	Missing          Reason = "missing"           // the target has nothing
	Behind           Reason = "behind"            // the target has an earlier state
	Ended            Reason = "ended"             // it has ended at the source, and lives at the target
	EndedInUse       Reason = "ended-in-use"      // the same, and the target's was used: the grave is copied all the same
	EndedAtTarget    Reason = "ended-at-target"   // it has ended at the target, and lives at the source
	Diverged         Reason = "diverged"          // the target's was written by somebody else
	Rewound          Reason = "rewound"           // the source's isn't a later state of what was copied
	OnlyAtTarget     Reason = "only-at-target"    // the source has nothing, and the target's was copied
	OwnOfTarget      Reason = "own-of-target"     // the source has nothing, and the target's is its own
	UnreadableSource Reason = "unreadable-source" // the source's can't be read
	UnreadableTarget Reason = "unreadable-target" // the target's can't be read
	Refused          Reason = "refused-by-target" // the target can't keep it
)

// texts say what a reason means, and what to do.
var texts = map[Reason]string{
	Missing:          "the target doesn't have it: copy again",
	Behind:           "the target has an earlier state of it: copy again",
	Ended:            "it has ended at the source and lives at the target: copy again",
	EndedInUse:       "it has ended at the source, and was used at the target: it is ended there too",
	EndedAtTarget:    "it has ended at the target and lives at the source: something has used or swept the target",
	Diverged:         "the target's was written by something else than this copying, and isn't replaced: something has used the target, or it has an older copy; copy into an empty store",
	Rewound:          "the source's isn't a later state of what was copied from it: was the source restored from a backup, or edited by hand? Copy into an empty store",
	OnlyAtTarget:     "it was copied, and the source has nothing of it: it vanished from there, or was copied from another store",
	OwnOfTarget:      "the source has nothing of it: it began at the target",
	UnreadableSource: "the source's can't be read, and so isn't copied",
	UnreadableTarget: "the target's can't be read, and isn't replaced",
	Refused:          "the target can't keep it",
}

// mends reports whether copying once more would mend it.
func (r Reason) mends() bool { return r == Missing || r == Behind || r == Ended }

// Finding is one id in which the stores differ.
type Finding struct {
	ID     driver.ID // zero: something whose name is no id; Cause names it
	Reason Reason
	Cause  error // why it can't be read or kept; else nil
}

// String says what differs, for people.
func (f Finding) String() string {
	text := texts[f.Reason]
	if f.Cause != nil {
		text += ": " + f.Cause.Error()
	}
	if f.ID.IsZero() {
		return text
	}
	return fmt.Sprintf("%v: %s", f.ID, text)
}

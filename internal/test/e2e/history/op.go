package history

import (
	"fmt"
	"slices"
	"strings"
)

// Kind says what an operation does.
type Kind string

// The kinds of operations.
const (
	Create  Kind = "create"  // make an anonymous session
	Get     Kind = "get"     // read all values
	Set     Kind = "set"     // set Key to the operation's number
	Unset   Kind = "unset"   // remove Key
	Update  Kind = "update"  // add one to the counter, and the operation's number to the log
	Renew   Kind = "renew"   // ask for another secret
	Begin   Kind = "begin"   // begin an attempt to sign Principal in
	Login   Kind = "login"   // sign Principal in; with a Key, set it first
	Destroy Kind = "destroy" // sign out
	Revoke  Kind = "revoke"  // sign Principal out everywhere, but for the session Except
	Sweep   Kind = "sweep"   // have the store end and remove what is over
)

// Kinds are all kinds.
func Kinds() []Kind {
	return []Kind{Create, Get, Set, Unset, Update, Renew, Begin, Login, Destroy, Revoke, Sweep}
}

// Outcome says what the caller was told.
type Outcome string

// The outcomes.
const (
	Done        Outcome = "done"        // it happened
	Kept        Outcome = "kept"        // Renew: the token was not the current one, and nothing was done
	NotFound    Outcome = "not found"   // the token opened nothing, and nothing was done
	Gone        Outcome = "gone"        // the session was opened, and had ended when it was to be changed
	Conflict    Outcome = "conflict"    // Login: the token had been renewed
	Revoked     Outcome = "revoked"     // Login: everybody was signed out meanwhile
	Unavailable Outcome = "unavailable" // certainly nothing happened
	Unknown     Outcome = "unknown"     // it may have happened, or happen yet
	Failed      Outcome = "failed"      // an answer that nothing promises: always a violation
)

// Outside is the Op.How of what opens a session without a request.
const Outside = "outside"

// Keys are the names of the values that operations set and unset.
func Keys() []string { return []string{"a", "b", "c"} }

// Op is one operation of a family, with what became of it.
type Op struct {
	N      int    `json:"n"`      // its number in the family, from 1
	Client int    `json:"client"` // who called it; a client does one thing after the other
	Where  string `json:"where,omitempty"`
	How    string `json:"how,omitempty"` // which of the ways to do it

	Kind      Kind   `json:"kind"`
	Session   int    `json:"session,omitempty"` // whose token is presented; 0: none
	Token     int    `json:"token,omitempty"`   // 0: none, the session is named by its id
	Key       string `json:"key,omitempty"`
	Principal string `json:"principal,omitempty"`
	Attempt   int    `json:"attempt,omitempty"` // the number of the Begin that it is of
	Except    int    `json:"except,omitempty"`  // a session
	Quiet     bool   `json:"quiet,omitempty"`   // it is no activity that keeps the session from expiring
	Again     bool   `json:"again,omitempty"`   // Login: even if the token opens nothing, as who has heard nothing of an earlier one

	// Call and Return are nanoseconds since the start of the run. No two times
	// of a run are the same.
	Call   int64 `json:"call"`
	Return int64 `json:"return"`
	// Since, if it is set, is a time before Call: a node that was cut off from
	// its cluster then may have answered what was read, as of then. It means
	// nothing for what was written.
	Since int64 `json:"since,omitempty"`
	// ClockCall and ClockReturn are the time of the sessions' own clock, in
	// milliseconds, at these moments. They count only in families with Idle.
	ClockCall   int64 `json:"clockCall,omitempty"`
	ClockReturn int64 `json:"clockReturn,omitempty"`

	Outcome    Outcome `json:"outcome"`
	Ended      bool    `json:"ended,omitempty"` // with Unknown: the session has ended for certain
	NewSession int     `json:"newSession,omitempty"`
	NewToken   int     `json:"newToken,omitempty"`
	Values     *Values `json:"values,omitempty"` // what a Get saw
	Note       string  `json:"note,omitempty"`   // the error's text
}

// Values are what a session keeps: numbers of the operations that put them in.
type Values struct {
	Keys  map[string]int `json:"keys,omitempty"`
	Count int            `json:"count,omitempty"`
	Log   []int          `json:"log,omitempty"`
}

// Family is the history of a visitor's sessions.
type Family struct {
	Number int   `json:"family"`
	Seed   int64 `json:"seed,omitempty"` // of the run
	// Idle is the sessions' idle timeout in milliseconds of their clock; 0:
	// they don't expire.
	Idle int64 `json:"idle,omitempty"`
	Ops  []Op  `json:"-"`
}

// String describes the operation and its outcome without its times.
func (o *Op) String() string {
	var b strings.Builder
	b.WriteString(string(o.Kind))
	if o.Session > 0 {
		fmt.Fprintf(&b, " s%d", o.Session)
		if o.Token > 0 {
			fmt.Fprintf(&b, ".t%d", o.Token)
		}
	}
	if o.Key != "" {
		fmt.Fprintf(&b, " %s", o.Key)
		if o.Kind != Unset {
			fmt.Fprintf(&b, "=%d", o.N)
		}
	}
	if o.Kind == Update {
		fmt.Fprintf(&b, " +%d", o.N)
	}
	if o.Again {
		b.WriteString(" again")
	}
	if o.Principal != "" {
		fmt.Fprintf(&b, " %s", o.Principal)
	}
	if o.Attempt > 0 {
		fmt.Fprintf(&b, " attempt %d", o.Attempt)
	}
	if o.Except > 0 {
		fmt.Fprintf(&b, " except s%d", o.Except)
	}
	fmt.Fprintf(&b, ": %s", o.Outcome)
	if o.Ended {
		b.WriteString(", ended")
	}
	if o.NewToken > 0 {
		s := o.NewSession
		if s == 0 {
			s = o.Session
		}
		fmt.Fprintf(&b, " s%d.t%d", s, o.NewToken)
	}
	if o.Values != nil {
		fmt.Fprintf(&b, " %s", o.Values)
	}
	return b.String()
}

// String shows values in a fixed order.
func (v *Values) String() string {
	var parts []string
	for _, k := range Keys() {
		if n, ok := v.Keys[k]; ok {
			parts = append(parts, fmt.Sprintf("%s=%d", k, n))
		}
	}
	if v.Count != 0 || len(v.Log) > 0 {
		parts = append(parts, fmt.Sprintf("count=%d log=%v", v.Count, v.Log))
	}
	return "{" + strings.Join(parts, " ") + "}"
}

// byCall sorts operations by their calls.
func byCall(ops []Op) {
	slices.SortFunc(ops, func(a, b Op) int { return int(a.Call - b.Call) })
}

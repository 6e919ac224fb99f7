package history

import (
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"
)

// state is what the model knows after some operations. It is never changed, but
// copied.
//
// Much of what happens to a session takes a while: signing out everywhere ends
// one session after the other, and what a process that was killed has sent may
// be carried out at any time. Trying all the moments would take too long, so
// the state leaves open what nobody has seen yet, and the first who sees it
// decides.
type state struct {
	*facts
	sessions []session // by number
	realms   []realm
	attempts []attempt
	pending  string // the numbers of sign-ins of unknown outcome, which may have happened, or may yet: see login.go
}

// session is what is known of one session.
type session struct {
	status status
	// until is, with maybe and dying, when it has ended for certain, if it
	// does; with ended, the latest time at which it may have been open.
	until int64

	principal string
	token     int    // the current one, or nobodys
	previous  string // those before it that are good for reading and saving, the newest last
	// renewing: a renewal of token whose outcome is unknown may have replaced
	// it, or may do so yet.
	renewing bool

	values
	replacement

	// The session's clock when it was last used, in milliseconds: at least, and
	// at most.
	usedMin, usedMax int64
}

// values are what a session keeps.
type values struct {
	a, b, c int // the values of Keys; 0: not set
	log     string
}

type status uint8

const (
	absent status = iota
	live
	maybe // live, or ending: see until
	dying // ending: see until
	ended
)

const (
	never   = math.MaxInt64 // later than all times
	nobodys = -1            // a token that nobody was told
)

// realm is what is known of a principal.
type realm struct {
	principal string
	// revokes has the time at which each sign-out everywhere had returned, in
	// the order in which they happened.
	revokes []int64
	// unsure: one whose outcome is unknown may have happened, or happen yet. It
	// is the time at which the last of them was given up; 0: there is none.
	unsure int64
	// settled counts the times that unsure became 0 again.
	settled int
}

// settle takes it that a sign-in or sign-out of the principal was acknowledged.
// It wrote the ledger, so that no earlier write to it can happen any more: what
// was given up before it began has happened by now, or never will.
func (r *realm) settle(o *Op) {
	if r.unsure > 0 && r.unsure < o.Call {
		r.unsure = 0
		r.settled++
	}
}

// attempt is a sign-in that was begun when so many sign-outs had happened, and
// been settled.
type attempt struct{ n, revokes, settled int }

func (s *state) equal(t *state) bool {
	return slices.Equal(s.sessions, t.sessions) && slices.Equal(s.attempts, t.attempts) && s.pending == t.pending &&
		slices.EqualFunc(s.realms, t.realms, func(a, b realm) bool {
			return a.principal == b.principal && a.unsure == b.unsure && a.settled == b.settled && slices.Equal(a.revokes, b.revokes)
		})
}

// The hash only has to agree within a process.
var hashSeed = maphash.MakeSeed()

func (s *state) hash() uint64 {
	var h uint64
	for _, x := range s.sessions {
		h = h*31 + maphash.Comparable(hashSeed, x)
	}
	return h
}

// clone returns a copy whose parts can be changed.
func (s *state) clone() *state {
	return &state{s.facts, slices.Clone(s.sessions), slices.Clone(s.realms), slices.Clone(s.attempts), s.pending}
}

// value returns the place of a key's value.
func (s *values) value(key string) *int {
	switch key {
	case "a":
		return &s.a
	case "b":
		return &s.b
	}
	return &s.c
}

// shows reports whether the values are those that a reader saw.
func (s *values) shows(v *Values) bool {
	for _, k := range Keys() {
		if *s.value(k) != v.Keys[k] {
			return false
		}
	}
	return v.Count == len(v.Log) && s.log == pack(v.Log)
}

// pack makes a log comparable. Numbers of operations are far below the range
// that runes leave out.
func pack(log []int) string {
	r := make([]rune, len(log))
	for i, n := range log {
		r[i] = rune(n)
	}
	return string(r)
}

// view is a session as one operation sees it: with the operation's interval,
// and the timeouts of the family.
type view struct {
	*session
	op   *Op
	idle int64
}

func (s *state) view(i int, o *Op) view { return view{&s.sessions[i], o, s.idle} }

// fresh is false if by the clock nobody can have found the session live.
func (v view) fresh() bool {
	return v.idle == 0 || v.usedMax == never || v.op.ClockCall < v.usedMax+v.idle
}

// stale is true if the session may have been found idle for too long.
func (v view) stale() bool { return v.idle > 0 && v.op.ClockReturn >= v.usedMin+v.idle }

// open takes it that the operation found the session live, and reports whether
// it can have.
func (v view) open() bool {
	if !v.fresh() {
		return false
	}
	switch v.status {
	case live:
		return true
	case maybe:
		if v.op.Call > v.until {
			v.status = live // it got away
		}
		return true
	case dying:
		return v.op.Call <= v.until
	}
	return false
}

// over takes it that the operation found the session ended.
func (v view) over() bool {
	switch v.status {
	case live:
		if !v.stale() {
			return false
		}
		v.other = true
		v.end(v.op.Return)
	case maybe, dying, ended:
		v.end(min(v.until, v.op.Return))
	default:
		return false
	}
	return true
}

// end: the session was open at the time at the latest.
func (v view) end(at int64) { v.status, v.until = ended, at }

// wasOpen takes it that the operation found the session live when it began,
// whatever it is now.
func (v view) wasOpen() bool {
	return v.open() || v.status == ended && v.op.Call <= v.until && v.fresh()
}

// use moves the time of last activity, for an operation that was acknowledged
// after it had moved it.
func (v view) use() {
	if v.op.Quiet {
		return
	}
	v.usedMin, v.usedMax = max(v.usedMin, v.op.ClockCall), max(v.usedMax, v.op.ClockReturn)
}

// mayUse: the operation may move the time of last activity, and whenever it
// likes.
func (v view) mayUse() {
	if v.idle > 0 && !v.op.Quiet {
		v.usedMax = never
	}
}

// unsure: it may be ended from now on, at any time.
func (v view) unsure() {
	if v.status == live || v.status == maybe {
		v.status, v.until = maybe, never
	}
}

// renewed takes it that the token that the operation presented is not the
// current one.
func (v view) renewed() bool {
	if v.op.Token == v.token {
		if !v.renewing {
			return false
		}
		v.replaced()
	}
	return true
}

// replaced: the renewal whose outcome is unknown happened.
func (v view) replaced() { v.renewedTo(nobodys) }

// keptTokens is how many tokens of before are good beside the current one. None expires
// within a run.
const keptTokens = 8

// renewedTo puts a token in the place of the current one.
func (v view) renewedTo(token int) {
	kept := append([]rune(v.previous), rune(v.token))
	v.previous, v.token, v.renewing = string(kept[max(0, len(kept)-keptTokens):]), token, false
}

// dueToGo reports whether the token that the operation presented is good only until the
// next renewal.
func (v view) dueToGo() bool {
	kept := []rune(v.previous)
	return len(kept) == keptTokens && kept[0] == rune(v.op.Token)
}

// unborn reports whether the operation may have found no session because there
// was none yet. Whose token or id it has, has been told of it: so only an answer
// that may be older than its call gets here, see aged.
func (v view) unborn() bool { return v.status == absent && v.op.Since > 0 }

// forgotten reports whether so many renewals came after the token that the operation
// presented that it isn't good any more.
func (v view) forgotten() bool {
	return v.op.Token != v.token && !strings.ContainsRune(v.previous, rune(v.op.Token))
}

// refused takes it that the token that the operation presented opened nothing.
func (v view) refused() bool {
	switch {
	case v.status == absent:
		return v.unborn()
	case v.forgotten():
		return true
	case !v.dueToGo() || !v.renewing:
		return v.over()
	case v.status == live && !v.stale():
		v.replaced()
	}
	return true // either it has ended or it was renewed
}

// String is for pictures.
func (s *state) String() string {
	var b strings.Builder
	for i, x := range s.sessions {
		if x.status == absent {
			continue
		}
		fmt.Fprintf(&b, "s%d %s t%d", i, [...]string{"", "live", "maybe", "dying", "ended"}[x.status], x.token)
		if x.principal != "" {
			fmt.Fprintf(&b, " %s", x.principal)
		}
		if x.status != ended {
			fmt.Fprintf(&b, " a=%d b=%d c=%d log=%v", x.a, x.b, x.c, []rune(x.log))
		}
		b.WriteString("; ")
	}
	return b.String()
}

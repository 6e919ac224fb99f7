package explore

import (
	"math/bits"
	"strings"

	"github.com/cloakroom-go/cloakroom"
)

// check returns which promise a world breaks, "" for none. The letters are
// those of README.md.
func (w *world) check(x *explorer) string {
	for slot := range uint16(maxSlots) {
		r := &x.records[w.records[slot]]
		if w.records[slot] == 0 || !r.live || !r.session {
			if (x.sc.keep|w.later)>>slot&1 == 1 {
				return "k: " + slotName(slot) + " is over though nobody ended it"
			}
			continue
		}
		if bad := w.checkSession(x, slot, r); bad != "" {
			return bad
		}
	}
	if r := &x.records[w.records[1]]; x.sc.successor && w.acked != 0 && r.reason == cloakroom.EndReplaced {
		if x.records[w.records[r.successor]].reason == cloakroom.EndAbandoned {
			return "a: S1 was retired and its successor taken back: its saves are lost"
		}
	}
	switch {
	case w.stranger:
		return "m: a visitor with a foreign session was taken for a stranger though nobody signed out"
	case w.oldEnded && w.idleHands(x) && w.opensS1(x):
		return "b: S1 opens though somebody signed out at the old library before it was retired there"
	case w.tooLate:
		return "w: a foreign session opens its session though the token of that is long in use"
	case x.sc.foreign && w.lostOld(x):
		return "m: what the old library saved is lost"
	case w.fromEnded:
		return "d: a sign-in succeeded from a session that was signed out"
	case w.idle:
		return "i: a visitor who came in time was told that the session is over"
	case w.undone:
		return "u: an acknowledged change was not done"
	case w.takenTwice:
		return "t: a note was told twice"
	case x.sc.note && w.lostNote(x):
		return "t: a note is gone, and nobody was told"
	case w.toldTwice:
		return "o: a process told of one end twice"
	case strings.Contains(x.sc.props, "o") && w.untold(x):
		return "o: nobody told of the end of a session"
	case w.unsure:
		return "n: a save was reported as unknown though nothing went wrong"
	case w.spurious:
		return "g: ErrRevoked though nobody signed out everywhere"
	case w.turnedAway:
		return "l: a token was turned away in its grace"
	case strings.Contains(x.sc.props, "l") && !w.opensForAll(x):
		return "l: a token that a browser holds does not open the session in its grace"
	case w.shut != 0 && w.opensForShut(x):
		return "s: a token opens the session though a strict renewal ended it"
	case w.shut != 0 && w.savedLate(x):
		return "s: something was saved with a secret that a strict renewal had ended"
	case w.renewedTwice:
		return "r: two renewals of one token both handed out another"
	case strings.Contains(x.sc.props, "h") && !w.holds(x):
		return "h: no token that a browser holds opens the session"
	}
	return ""
}

func (w *world) checkSession(x *explorer, slot uint16, r *recordInfo) string {
	name := slotName(slot)
	open := x.opens(openKey{w.records[slot], w.now, anyToken})
	bit := uint16(1) << slot
	switch {
	case open && strings.Contains(x.sc.props, "i") && int(w.now-w.came) >= x.sc.idle:
		return "i: " + name + " opens though nobody came for as long as the idle timeout"
	case open && w.deadRevoked&bit != 0:
		return "c: " + name + " opens though it was signed out everywhere"
	case open && w.deadLogin&bit != 0:
		return "d: " + name + " opens though a sign-in replaced it"
	case open && w.dead&bit != 0:
		return "b: " + name + " opens though it was ended"
	case open && w.expired&bit != 0 && strings.Contains(x.sc.props, "x"):
		return "x: " + name + " opens though somebody was told that it is over"
	case !open && (x.sc.keep|w.later)&bit != 0:
		return "k: " + name + " does not open though nobody ended it"
	}
	for _, told := range w.told {
		if told&bit != 0 {
			return "o: " + name + " is live, and somebody told that it has ended"
		}
	}
	if r.note&w.taken != 0 {
		return "t: a note that was told is there"
	}
	if r.counts[afterLogin] > 0 && w.afterwards&bit == 0 {
		return "v: what was saved after a sign-in went along into " + name
	}
	for n, count := range r.counts {
		switch {
		case count > 1:
			return "a: a save was applied twice"
		case count == 1 && open && w.notApplied>>n&1 == 1:
			return "e: a save that was reported as not applied was applied"
		case count == 0 && w.acked>>n&1 == 1 && w.carries(x, slot, open):
			return "a: an acknowledged save is lost"
		}
	}
	return ""
}

// untold reports whether all is done, without a fault, and a session has ended of which
// nobody told.
func (w *world) untold(x *explorer) bool {
	if w.faults != x.sc.faults || w.crashes != x.sc.crashes {
		return false
	}
	var told uint16
	for i := range x.sc.clients {
		if w.clients[i] != nodeDone {
			return false
		}
		told |= w.told[i]
	}
	for slot := range uint16(maxSlots) {
		r := &x.records[w.records[slot]]
		if w.records[slot] != 0 && r.reason != "" && r.reason != cloakroom.EndAbandoned && told>>slot&1 == 0 {
			return true
		}
	}
	return false
}

// lostNote reports whether all are done and the note that was left last was told to
// nobody, though nobody was left in doubt, and isn't there.
func (w *world) lostNote(x *explorer) bool {
	if w.doubt {
		return false
	}
	for i := range x.sc.clients {
		if w.clients[i] != nodeDone {
			return false
		}
	}
	last := uint16(1) << (bits.Len16(w.left) - 1)
	return x.records[w.records[1]].note != last && w.taken&last == 0
}

// idleHands reports whether all clients are done.
func (w *world) idleHands(x *explorer) bool {
	for i := range x.sc.clients {
		if w.clients[i] != nodeDone {
			return false
		}
	}
	return true
}

func (w *world) opensS1(x *explorer) bool {
	r := w.records[1]
	return r != 0 && x.records[r].live && x.opens(openKey{r, w.now, anyToken})
}

// lostOld reports whether the foreign session was retired and the session that it became
// lacks what was saved in it.
func (w *world) lostOld(x *explorer) bool {
	old, s := &x.records[w.records[foreignSlot]], &x.records[w.records[1]]
	if old.reason != cloakroom.EndReplaced || w.records[1] == 0 || !s.live {
		return false
	}
	for n, count := range s.counts {
		if w.oldAcked>>n&1 == 1 && count != 1 {
			return true
		}
	}
	return false
}

// carries reports whether what was saved in S1 has to be in a session.
func (w *world) carries(x *explorer, slot uint16, open bool) bool {
	switch first := &x.records[w.records[1]]; {
	case slot == 1:
		return open
	case !x.sc.successor:
		return false
	case w.used != 0: // who signs in again may begin with nothing
		return false
	default:
		return w.signedIn>>slot&1 == 1 || first.reason == cloakroom.EndReplaced && first.successor == slot
	}
}

// holds reports whether the session, if it is live, opens for somebody.
func (w *world) holds(x *explorer) bool {
	r := w.records[1]
	if r == 0 || !x.records[r].live || !x.opens(openKey{r, w.now, anyToken}) {
		return true
	}
	return w.opensFor(x, w.tokens) > 0
}

// opensFor returns for how many tokens of a set the first session opens.
func (w *world) opensFor(x *explorer, set tokenSet) (n int) {
	for token := range uint8(maxTokens) {
		if set.has(token) && x.opens(openKey{w.records[1], w.now, uint16(token)}) {
			n++
		}
	}
	return n
}

func (w *world) opensForAll(x *explorer) bool {
	return w.opensFor(x, w.tokens) == bits.OnesCount64(uint64(w.tokens))
}

func (w *world) opensForShut(x *explorer) bool { return w.opensFor(x, w.shut) > 0 }

// savedLate reports whether the first session has a save that came after a strict
// renewal. All saves in such a scenario are made with an old secret.
func (w *world) savedLate(x *explorer) bool {
	for n, count := range x.records[w.records[1]].counts {
		if count > 0 && w.inTime>>n&1 == 0 {
			return true
		}
	}
	return false
}

package explore

import "github.com/cloakroom-go/cloakroom/driver"

const (
	maxSlots   = 16 // the ledger and its sessions: sets of slots have 16 bits
	maxClients = 3
	maxLate    = 2
	maxSaves   = 5

	ledgerSlot = 0
)

// noCopy says that no lagging copy of a record, nor a phantom of it, is about.
const noCopy = ^recIndex(0)

// world is everything at one moment. Two worlds that are equal have the same
// future.
type world struct {
	records [maxSlots]recIndex
	copies  [maxSlots]recIndex // what a lagging copy, or a node that was cut off, may still answer
	clients [maxClients]nodeIndex
	arrives [maxClients]ansIndex // an answer that is on its way to the client, 0 for none,
	held    [maxClients]reqIndex // to this request
	twice   [maxClients]reqIndex // was executed once; its answer will be of the second time
	late    [maxLate]reqIndex    // requests that nobody waits for, in order

	last    [maxSlots]uint8
	judged  [maxSlots]bool // by a sweep that doesn't check what it ends
	now     uint8
	faults  uint8 // that may still happen
	crashes uint8

	ghost
}

// ghost is what the checker remembers. Sets of saves, records and clients are
// masks of their numbers.
type ghost struct {
	acked       uint16 // saves acknowledged
	notApplied  uint16 // saves reported as not applied
	dead        uint16 // sessions that must not open any more: all of them,
	deadRevoked uint16 // those signed out everywhere,
	deadLogin   uint16 // and those that a sign-in replaced
	expired     uint16 // sessions that somebody was told are over
	signedIn    uint16 // sessions whose sign-in returned success
	made        [maxClients]uint16

	attempts     uint16             // clients that are at an attempt to sign in
	snapSessions [maxClients]uint16 // signedIn when the client's RevokeAll began
	snapAttempts [maxClients]uint16
	mustFail     uint16 // clients whose sign-in has to end signed out
	revoked      bool   // somebody began to sign out everywhere
	spurious     bool   // ErrRevoked though nobody did
	fromEnded    bool   // a sign-in succeeded from a session that was signed out

	undone     bool   // an acknowledged change was not done
	unsure     bool   // a save was reported as unknown without any fault
	later      uint16 // sessions that were signed in after everybody was signed out
	left       uint16 // notes whose leaving was acknowledged
	taken      uint16 // notes that somebody was told
	came       uint8  // when a visitor came who found the session live
	idle       bool   // one was told that it is over, though it was in time
	takenTwice bool   // one was told to two
	doubt      bool   // somebody was told that it isn't known what became of a note
	used       uint16 // sessions that a request has presented the token of, perhaps
	afterwards uint16 // sessions in which something was saved after the sign-in that made them, perhaps

	oldAcked uint16 // saves in the foreign session that were acknowledged
	leaving  bool   // somebody has begun to sign out
	oldEnded bool   // somebody signed out at the old library
	stranger bool   // a visitor with the foreign session was taken for a stranger before
	heard    uint8  // a tick more than when a request with the token was answered; 0: none was
	tooLate  bool   // the foreign session opened its session for a request that came later

	told      [maxClients]uint16 // sessions whose end a process told
	toldTwice bool               // one of them, by one process

	renewed      tokenSet // those that were renewed
	renewedTwice bool     // one of them, with two new ones handed out
	tokens       tokenSet // that a browser holds
	newest       uint16   // of these
	turnedAway   bool     // who came with one of them was
	shut         tokenSet // those that a strict renewal ended,
	inTime       uint16   // and the saves that were done by then
}

// tokenSet is a set of tokens, by their numbers.
type tokenSet uint64

const maxTokens = 64

func (s tokenSet) has(token uint8) bool { return s>>token&1 == 1 }

// effect is what a client's program tells the checker.
type effect struct {
	kind effectKind
	args [2]uint16
}

type effectKind uint8

const (
	effSaved       effectKind = iota // args: set of saves
	effNotApplied                    // args: set of saves
	effEnded                         // args: slot
	effExpired                       // args: slot
	effBegun                         // an attempt to sign in began
	effRevoking                      // args: set of slots excepted
	effRevoked                       // RevokeAll returned
	effSignedIn                      // args: new slot, old slot
	effRefused                       // a sign-in failed with ErrRevoked
	effLoginFailed                   // a sign-in failed
	effRenewed                       // args: new token, old token
	effStrict                        // args: token; all others have ended
	effTurnedAway                    // a token that a browser holds opened nothing
	effUndone                        // an acknowledged change was not done
	effLeft                          // args: set of notes
	effTaken                         // args: set of notes
	effDoubt                         // it isn't known what became of a note
	effUnknown                       // a save was reported as unknown
	effCame                          // args: time; a visitor came then
	effIdle                          // a visitor who came in time was told that the session is over
	effLater                         // args: slot; it was signed in after everybody was signed out
	effUsing                         // args: slot; a request presents its token
	effUsed                          // args: slot; and was answered
	effAfterwards                    // args: slot; something is saved after the sign-in that made it
	effHanded                        // args: token; a browser has it
	effTold                          // args: slot; the process told that it has ended
	effStranger                      // a visitor with the foreign session, or what it became, was taken for a stranger
	effLeaving                       // somebody begins to sign out
	effOldSaved                      // args: set of saves in the foreign session
	effOldEnded                      // somebody signed out at the old library
	effHeard                         // args: time; a request with the token of an import was answered
	effByForeign                     // args: time; a request that began then was let in by the foreign session
)

// learn takes over what client i tells.
func (w *world) learn(x *explorer, i uint8, effects []effect) {
	for _, e := range effects {
		g, bit := &w.ghost, uint16(1)<<i
		switch e.kind {
		case effSaved:
			g.acked |= e.args[0]
		case effNotApplied:
			g.notApplied |= e.args[0]
		case effEnded:
			g.dead |= 1 << e.args[0]
		case effExpired:
			g.expired |= 1 << e.args[0]
		case effBegun:
			g.attempts |= bit
		case effRevoking:
			g.revoked = true
			g.snapSessions[i], g.snapAttempts[i] = g.signedIn&^e.args[0], g.attempts
			g.leaving = true
			if x.sc.foreign { // whether it has been imported or not
				g.snapSessions[i] |= 1 << 1
			}
		case effRevoked:
			over := g.snapSessions[i]
			for j, slot := range g.made {
				if slot != 0 && g.snapAttempts[i]>>j&1 == 1 {
					over |= 1 << slot
				}
			}
			g.dead |= over
			g.deadRevoked |= over
			g.mustFail |= g.snapAttempts[i]
		case effSignedIn:
			made, old := e.args[0], e.args[1]
			g.signedIn |= 1 << made
			g.made[i] = made
			g.dead |= 1 << old
			g.deadLogin |= 1 << old
			if g.mustFail&bit != 0 {
				g.dead |= 1 << made
				g.deadRevoked |= 1 << made
			}
			g.fromEnded = g.fromEnded || x.records[w.records[old]].reason == "destroyed"
			g.attempts &^= bit
		case effUndone:
			g.undone = true
		case effLeft:
			g.left |= e.args[0]
		case effTaken:
			g.takenTwice = g.takenTwice || g.taken&e.args[0] != 0
			g.taken |= e.args[0]
		case effDoubt:
			g.doubt = true
		case effUnknown:
			g.unsure = g.unsure || x.sc.certain && w.faults == x.sc.faults
		case effCame:
			g.came = max(g.came, uint8(e.args[0]))
		case effIdle:
			g.idle = g.idle || w.faults == x.sc.faults
		case effLater:
			g.later |= 1 << e.args[0]
		case effUsing:
			g.used |= 1 << e.args[0]
		case effUsed: // whoever signs in again has to leave it alone
			g.later |= 1 << e.args[0]
		case effAfterwards:
			g.afterwards |= 1 << e.args[0]
		case effStranger:
			ends := int(x.sc.maxTime) >= min(x.sc.idle, x.sc.life) // by itself
			g.stranger = g.stranger || !g.leaving && !ends && !x.records[w.records[1]].heard
		case effLeaving:
			g.leaving = true
		case effOldSaved:
			g.oldAcked |= e.args[0]
		case effHeard:
			if g.heard == 0 {
				g.heard = uint8(e.args[0]) + 1
			}
		case effByForeign: // a tick is longer than the grace
			g.tooLate = g.tooLate || g.heard != 0 && uint8(e.args[0]) >= g.heard
		case effOldEnded:
			g.oldEnded = true
		case effTold:
			g.toldTwice = g.toldTwice || g.told[i]>>e.args[0]&1 == 1
			g.told[i] |= 1 << e.args[0]
		case effHanded:
			g.tokens |= 1 << e.args[0]
			g.newest = e.args[0]
		case effRefused:
			g.spurious = g.spurious || !g.revoked
			g.attempts &^= bit
		case effLoginFailed:
			g.attempts &^= bit
		case effRenewed:
			g.renewedTwice = g.renewedTwice || g.renewed.has(uint8(e.args[1]))
			g.renewed |= 1 << e.args[1]
			g.tokens |= 1 << e.args[0]
			g.newest = e.args[0]
		case effStrict:
			g.shut |= g.tokens &^ (1 << e.args[0])
			for n, count := range x.records[w.records[1]].counts {
				if count > 0 {
					g.inTime |= 1 << n
				}
			}
		case effTurnedAway:
			g.turnedAway = true
		}
	}
}

// execute executes a request. acked says whether its answer reaches the client
// at once; what nobody was told of may stay invisible on a lagging copy.
func (w *world) execute(x *explorer, q reqIndex, acked bool) answer {
	switch x.requests[q].op {
	case opStart:
		return answer{code: codeOK, held: w.newest}
	case opClock:
		return answer{code: codeOK}
	case opSweep:
		for slot := range uint16(maxSlots) {
			w.sweep(x, slot, x.requests[q].tick)
		}
		return answer{code: codeOK}
	case opSearch:
		a := answer{code: codeOK}
		for slot, r := range w.records {
			if x.records[r].live {
				a.found[slot] = r
			}
		}
		return a
	default:
	}
	slot := x.requests[q].slot
	done := x.apply(applyKey{q, w.records[slot], w.last[slot]})
	if x.sc.lag && done.rec != w.records[slot] {
		w.copies[slot] = noCopy
		if !acked {
			w.copies[slot] = w.records[slot]
		}
	}
	w.records[slot], w.last[slot] = done.rec, done.last
	return answer{code: done.code, rec: done.got, ver: done.ver}
}

// deliver gives a client its answer, and lets it go on to its next request.
func (w *world) deliver(x *explorer, i uint8, q reqIndex, a answer) {
	a.now = w.now
	if w.twice[i] == q {
		w.twice[i] = 0
	}
	if w.held[i] == q {
		w.held[i], w.arrives[i] = 0, 0
	}
	w.enter(x, i, x.step(w.clients[i], q, a))
}

// enter puts a client to a node.
func (w *world) enter(x *explorer, i uint8, n nodeIndex) {
	w.clients[i] = n
	w.learn(x, i, x.nodes[n].effects)
	if len(x.nodes[n].requests) == 0 {
		w.clients[i] = nodeDone // how it came there makes no difference any more
	}
}

// addLate keeps a request that may be executed at any time. It reports false if
// there are too many.
func (w *world) addLate(q reqIndex) bool {
	if w.late[maxLate-1] != 0 {
		return false
	}
	i := 0
	for w.late[i] != 0 && w.late[i] < q {
		i++
	}
	copy(w.late[i+1:], w.late[i:])
	w.late[i] = q
	return true
}

// dropLate forgets requests that can't do anything any more: since versions never
// repeat, a compare-and-set on a version that has passed; and where nothing is
// removed, a create of what is there.
func (w *world) dropLate(x *explorer) {
	if x.sc.broken != nil {
		return
	}
	for i := uint8(0); i < maxLate && w.late[i] != 0; {
		q := &x.requests[w.late[i]]
		there, at := w.records[q.slot], q.at
		if q.op == opUpdate {
			at = q.rec.Version
		}
		switch {
		case q.op == opCreate && there != 0 && x.sc.sweep>>q.slot&1 == 0,
			!at.IsZero() && (there == 0 || x.record(there).Version != at):
			w.takeLate(i)
		default:
			i++
		}
	}
}

func (w *world) takeLate(i uint8) reqIndex {
	q := w.late[i]
	copy(w.late[i:], w.late[i+1:])
	w.late[maxLate-1] = 0
	return q
}

// action is what leads from one world to the next.
type action struct {
	kind actionKind
	who  uint8 // client, late request or slot
	req  reqIndex
}

type actionKind uint8

const (
	actExecute actionKind = iota // and answer
	actLost                      // executed, the answer is lost
	actDelay                     // no answer, and the request is still on its way
	actCopy                      // executed and answered, and a copy is still on its way
	actTwice                     // executed, and will be once more before it is answered
	actFail                      // a read without answer
	actLag                       // a read answered by a lagging copy, or with a phantom
	actPhantom                   // no answer, and a phantom of what was asked for is shown
	actRefuse                    // refused because of a phantom
	actCutOff                    // no answer until the operation gives up; a write is still on its way
	actHold                      // executed, and the answer takes its time
	actDeliver                   // of such an answer
	actCrash                     // a write is still on its way
	actLate                      // a request that is still on its way is executed
	actTick
	actJudge // a sweep looks at a record
	actSweep
)

type successor struct {
	world
	action
}

// successors appends all worlds that may follow.
func (w *world) successors(x *explorer, out []successor) []successor {
	add := func(n *world, a action) {
		n.dropLate(x)
		out = append(out, successor{*n, a})
	}
	for i := range uint8(len(x.sc.clients)) {
		if w.clients[i] <= nodeCrashed {
			continue
		}
		for _, q := range x.nodes[w.clients[i]].requests {
			w.requestSteps(x, i, q, add)
		}
		if w.crashes > 0 {
			w.crash(x, i, add)
		}
	}
	for j := range uint8(maxLate) {
		if q := w.late[j]; q != 0 {
			n := *w
			n.execute(x, n.takeLate(j), false)
			add(&n, action{actLate, j, q})
		}
	}
	if w.now < x.sc.maxTime && (!x.sc.prompt || !w.busy(x)) {
		n := *w
		n.now++
		add(&n, action{kind: actTick})
	}
	w.sweeps(x, add)
	return out
}

// busy reports whether an operation is under way.
func (w *world) busy(x *explorer) bool {
	for i := range x.sc.clients {
		for _, q := range x.nodes[w.clients[i]].requests {
			if x.requests[q].op != opStart {
				return true
			}
		}
	}
	return false
}

// requestSteps adds what may become of a request of client i.
func (w *world) requestSteps(x *explorer, i uint8, q reqIndex, add func(*world, action)) {
	if w.held[i] == q {
		n := *w
		n.deliver(x, i, q, x.answers[w.arrives[i]])
		add(&n, action{actDeliver, i, q})
		return
	}
	op := x.requests[q].op
	n := *w
	a := n.execute(x, q, true)
	n.deliver(x, i, q, a)
	add(&n, action{actExecute, i, q})
	if op == opStart {
		return
	}
	if x.sc.slow && w.held[i] == 0 && w.now < x.sc.maxTime {
		n := *w
		n.arrives[i], n.held[i] = x.internAnswer(n.execute(x, q, false)), q
		add(&n, action{actHold, i, q})
	}
	if w.faults > 0 {
		w.faultSteps(x, i, q, add)
	}
}

// crash adds the end of a client, whose writes may still be executed.
func (w *world) crash(x *explorer, i uint8, add func(*world, action)) {
	n := *w
	n.crashes--
	for _, q := range x.nodes[w.clients[i]].requests {
		switch op := x.requests[q].op; {
		case op == opStart && len(x.nodes[w.clients[i]].requests) == 1:
			return // before it begins it can't leave anything behind
		case x.requests[q].reads(), op == opStart, q == w.twice[i], q == w.held[i]:
		case !n.addLate(q):
			return
		}
	}
	n.clients[i], n.twice[i], n.held[i], n.arrives[i] = nodeCrashed, 0, 0, 0
	add(&n, action{kind: actCrash, who: i})
}

func (w *world) faultSteps(x *explorer, i uint8, q reqIndex, add func(*world, action)) {
	read, slot, silence := x.requests[q].reads(), x.requests[q].slot, answer{code: codeSilence}
	n := *w
	n.faults--
	before := n
	if read || n.addLate(q) {
		n.deliver(x, i, q, answer{code: codeCutOff})
		add(&n, action{actCutOff, i, q})
	}
	if read {
		n = before
		n.deliver(x, i, q, silence)
		add(&n, action{actFail, i, q})
		if w.copies[slot] != noCopy && x.requests[q].op == opGet {
			n = before
			a := x.stale(w.copies[slot])
			n.deliver(x, i, q, a)
			add(&n, action{actLag, i, q})
		}
		return
	}
	if w.twice[i] == q {
		return
	}
	if x.sc.phantoms {
		before.phantomSteps(x, i, q, add)
	}
	n = before
	n.execute(x, q, false)
	n.deliver(x, i, q, silence)
	add(&n, action{actLost, i, q})

	n = before
	if n.addLate(q) {
		n.deliver(x, i, q, silence)
		add(&n, action{actDelay, i, q})
	}
	n = before
	a := n.execute(x, q, true)
	if n.addLate(q) {
		n.deliver(x, i, q, a)
		add(&n, action{actCopy, i, q})
	}
	if w.twice[i] == 0 && !x.sc.certain {
		n = before
		n.execute(x, q, false)
		n.twice[i] = q
		add(&n, action{actTwice, i, q})
	}
}

// phantomSteps adds what becomes of a write of client i that reaches the node that
// had the primary, was cut off, and goes on without knowing. It carries out what
// nobody will ever acknowledge: a phantom write. It shows the phantom to who reads
// there, as long as it likes, and refuses each write that isn't made for it.
func (w *world) phantomSteps(x *explorer, i uint8, q reqIndex, add func(*world, action)) {
	slot := x.requests[q].slot
	if shown := w.copies[slot]; shown != noCopy {
		refusal := codeConflict
		switch {
		case x.requests[q].op == opCreate:
			refusal = codeExists
		case !x.records[shown].live:
			refusal = codeGone
		case x.requests[q].op == opBury && x.requests[q].at.IsZero():
			return
		}
		n := *w
		n.deliver(x, i, q, answer{code: refusal})
		add(&n, action{actRefuse, i, q})
		return
	}
	done := x.apply(applyKey{q, w.records[slot], w.last[slot]})
	if done.rec == w.records[slot] {
		return
	}
	shown := *x.record(done.rec)
	shown.Version.Term = phantomTerm
	for _, late := range []bool{false, true} { // or the engine tries again, where it counts
		n := *w
		if late && !n.addLate(q) {
			continue
		}
		n.copies[slot] = x.intern(&shown)
		n.deliver(x, i, q, answer{code: codeSilence})
		add(&n, action{actPhantom, i, q})
	}
}

// phantomTerm is that of versions that never come true.
const phantomTerm = 2

// stale is the answer of a lagging copy.
func (x *explorer) stale(r recIndex) answer {
	switch info := x.records[r]; {
	case r == 0:
		return answer{code: codeNotFound}
	case !info.live:
		return answer{code: codeGone, rec: r}
	}
	return answer{code: codeOK, rec: r}
}

// sweeps adds what a sweep may do: each record is judged and ended in one
// moment, which is what a compare-and-set comes to. A sweep that doesn't check
// the version judges at one moment and ends what is there at another.
func (w *world) sweeps(x *explorer, add func(*world, action)) {
	for slot := range uint16(maxSlots) {
		r := w.records[slot]
		if r == 0 || x.sc.sweep>>slot&1 == 0 {
			continue
		}
		kind := x.record(r).Due(x.sc.time(w.now))
		if x.sc.sweepUnchecked {
			if kind != driver.DueNothing && !w.judged[slot] {
				n := *w
				n.judged[slot] = true
				add(&n, action{kind: actJudge, who: uint8(slot)})
			}
			if !w.judged[slot] {
				continue
			}
			kind = driver.DueRemoval
		}
		if kind == driver.DueNothing {
			continue
		}
		n := *w
		n.end(x, slot, kind, w.now)
		add(&n, action{kind: actSweep, who: uint8(slot)})
	}
}

// sweep ends what is over in a slot at a tick.
func (w *world) sweep(x *explorer, slot uint16, tick uint8) {
	if w.records[slot] == 0 {
		return
	}
	if kind := x.record(w.records[slot]).Due(x.sc.time(tick)); kind != driver.DueNothing {
		w.end(x, slot, kind, tick)
	}
}

// end ends what is in a slot, as a sweep does at a tick.
func (w *world) end(x *explorer, slot uint16, kind driver.Due, tick uint8) {
	info := &x.records[w.records[slot]]
	w.judged[slot], w.copies[slot] = false, noCopy
	if info.live && info.session {
		w.expired |= 1 << slot
	}
	// With a ledger its generation goes. An attempt that was under way has
	// to begin again then, though nobody signed out everywhere lately.
	w.revoked = w.revoked || slot == ledgerSlot
	w.records[slot] = 0
	if kind == driver.DueBurial {
		grave := *sweepGrave(info.Record, x.sc.time(tick))
		w.last[slot]++
		grave.Version.Term, grave.Version.Seq = 1, uint64(w.last[slot])
		w.records[slot] = x.intern(&grave)
	}
}

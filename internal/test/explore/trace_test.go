package explore

import (
	"fmt"
	"slices"
	"strings"
)

// trace tells in words how a world was come to.
func (x *explorer) trace(steps []step, index uint32) []string {
	var actions []action
	for ; index != 0; index = steps[index].parent {
		actions = append(actions, steps[index].action)
	}
	w := x.initial()
	var lines []string
	for _, a := range slices.Backward(actions) {
		for _, s := range w.successors(x, nil) {
			if s.action == a {
				lines = append(lines, fmt.Sprintf("%3d. %s", len(lines)+1, x.describe(&w, &s)))
				w = s.world
				break
			}
		}
	}
	return lines
}

func slotName(slot uint16) string {
	if slot == ledgerSlot {
		return "the ledger"
	}
	return fmt.Sprintf("S%d", slot)
}

// describe tells one step.
func (x *explorer) describe(w *world, s *successor) string {
	after := x.news(w, &s.world)
	switch s.kind {
	case actLate:
		return fmt.Sprintf("late: %s → %s%s", x.request(s.req), x.changed(w, &s.world, s.req), after)
	case actTick:
		return fmt.Sprintf("time: %d", s.now)
	case actJudge:
		return fmt.Sprintf("a sweep finds %s to be over", slotName(uint16(s.who)))
	case actSweep:
		return fmt.Sprintf("a sweep ends %s", slotName(uint16(s.who)))
	case actDeliver:
		return fmt.Sprintf("client %d: %s → the answer arrives%s", s.who, x.request(s.req), after)
	case actCrash:
		return fmt.Sprintf("client %d crashes", s.who)
	default:
	}
	q := s.req
	done := x.changed(w, &s.world, q)
	if w.twice[s.who] == q {
		done += ", the second time"
	}
	what := map[actionKind]string{
		actExecute: done,
		actLost:    done + ", and the answer is lost",
		actDelay:   "no answer, still on its way",
		actCopy:    done + ", and a copy is still on its way",
		actTwice:   done + ", and will be executed again before it is answered",
		actFail:    "no answer",
		actLag:     "answered by a copy that lags, or with a phantom",
		actPhantom: "no answer, a phantom write",
		actRefuse:  "refused because of a phantom",
		actCutOff:  "no answer, nor to any read until the client gives up",
		actHold:    done + ", and the answer takes its time",
	}[s.kind]
	return fmt.Sprintf("client %d: %s → %s%s", s.who, x.request(q), what, after)
}

// request tells what is asked for.
func (x *explorer) request(i reqIndex) string {
	q := &x.requests[i]
	switch q.op {
	case opGet:
		return "read " + slotName(q.slot)
	case opSearch:
		return "search"
	case opClock:
		return "ask for the time"
	case opSweep:
		return fmt.Sprintf("sweep as of %d", q.tick)
	case opCreate:
		return fmt.Sprintf("create %s %s", slotName(q.slot), x.content(x.intern(q.rec)))
	case opUpdate:
		return fmt.Sprintf("update %s at %v to %s", slotName(q.slot), q.rec.Version.Seq, x.content(x.intern(q.rec)))
	case opBury:
		at := ""
		if !q.at.IsZero() {
			at = fmt.Sprintf(" at %v", q.at.Seq)
		}
		return fmt.Sprintf("bury %s%s (%s)", slotName(q.slot), at, q.grave.Reason)
	default:
		return "begin"
	}
}

// content tells what is in a record.
func (x *explorer) content(i recIndex) string {
	r := &x.records[i]
	switch {
	case i == 0:
		return "nothing"
	case !r.live:
		return fmt.Sprintf("grave (%s)", r.reason)
	case !r.session:
		text := string(r.Values.Get("ledger"))
		for id, slot := range x.ids {
			text = strings.ReplaceAll(text, id.String(), slotName(slot))
		}
		return text
	}
	var saves []string
	for n, count := range r.counts {
		if count > 0 {
			saves = append(saves, fmt.Sprintf("save %d×%d", n, count))
		}
	}
	return fmt.Sprintf("[write %d: %s]", r.Writes, strings.Join(saves, ", "))
}

// changed tells what a request that is executed does.
func (x *explorer) changed(w, n *world, i reqIndex) string {
	q := &x.requests[i]
	if q.op == opStart {
		return "begins"
	}
	if q.op == opClock {
		return fmt.Sprint(n.now)
	}
	if q.op == opSweep {
		return "done"
	}
	if q.op == opSearch {
		return "what is there"
	}
	if q.op == opGet {
		return x.content(w.records[q.slot])
	}
	if w.records[q.slot] == n.records[q.slot] {
		return fmt.Sprintf("refused: there is %s", x.content(w.records[q.slot]))
	}
	return "done"
}

// news tells what clients learned in a step.
func (x *explorer) news(w, n *world) string {
	var s strings.Builder
	tell := func(what string, before, after uint16) {
		for i := range uint16(16) {
			if after&^before>>i&1 == 1 {
				fmt.Fprintf(&s, "  [%s %d]", what, i)
			}
		}
	}
	tell("acknowledged: save", w.acked, n.acked)
	tell("reported as not applied: save", w.notApplied, n.notApplied)
	tell("must stay closed: S", w.dead, n.dead)
	tell("told that it is over: S", w.expired, n.expired)
	tell("signed in: S", w.signedIn, n.signedIn)
	tell("attempt of client", w.attempts, n.attempts)
	tell("may not sign in: client", w.mustFail, n.mustFail)
	return s.String()
}

package history_test

import (
	"testing"
	"time"

	. "github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

// told makes a family of operations, one after the other: number n is called at
// 10n and returns at 10n+5, unless it says otherwise.
func told(ops ...Op) Family {
	for i := range ops {
		o := &ops[i]
		o.N = i + 1
		if o.Call == 0 {
			o.Call = int64(10 * o.N)
		}
		if o.Return == 0 {
			o.Return = o.Call + 5
		}
		if o.Outcome == "" {
			o.Outcome = Done
		}
	}
	return Family{Number: 1, Ops: ops}
}

// at moves an operation.
func at(from, to int64, o Op) Op {
	o.Call, o.Return = from, to
	return o
}

func with(outcome Outcome, o Op) Op {
	o.Outcome, o.NewSession, o.NewToken = outcome, 0, 0
	return o
}

// The operations on session 1 and its token 1, and on those that follow.
var (
	create   = Op{Kind: Create, NewSession: 1, NewToken: 1}
	update   = Op{Kind: Update, Session: 1, Token: 1}
	setA     = Op{Kind: Set, Key: "a", Session: 1, Token: 1}
	unsetA   = Op{Kind: Unset, Key: "a", Session: 1, Token: 1}
	renew    = Op{Kind: Renew, Session: 1, Token: 1, NewToken: 2}
	destroy  = Op{Kind: Destroy, Session: 1, Token: 1}
	begin    = Op{Kind: Begin, Principal: "p"}
	revoke   = Op{Kind: Revoke, Principal: "p"}
	signIn   = Op{Kind: Login, Principal: "p", NewSession: 1, NewToken: 1}                       // from nothing
	login    = Op{Kind: Login, Session: 1, Token: 1, Principal: "p", NewSession: 2, NewToken: 2} // from session 1
	notFound = with(NotFound, Op{Kind: Get, Session: 1, Token: 1})
)

// get reads session 1: a, and the log.
func get(a int, log ...int) Op { return getBy(1, 1, a, log...) }

func getBy(session, token, a int, log ...int) Op {
	v := &Values{Count: len(log), Log: log}
	if a > 0 {
		v.Keys = map[string]int{"a": a}
	}
	return Op{Kind: Get, Session: session, Token: token, Values: v}
}

func attempt(n int, o Op) Op {
	o.Attempt = n
	return o
}

// renewal renews a token of session 1 to the next.
func renewal(token int) Op {
	return Op{Kind: Renew, Session: 1, Token: token, NewToken: token + 1}
}

// renewedTimes renews session 1 so often, from token 1 on.
func renewedTimes(n int, then ...Op) Family {
	ops := []Op{create}
	for i := range n {
		ops = append(ops, renewal(i+1))
	}
	return told(append(ops, then...)...)
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name  string
		sound bool
		f     Family
	}{
		{"updates in order", true, told(create, update, update, get(0, 2, 3))},
		{"ended by a sign-in that then met another end", true, told(create, at(10, 30, with(Gone, login)), at(12, 18, with(Gone, update)), at(20, 40, revoke))},
		{"ended by a sign-in that met no other end", false, told(create, at(10, 30, with(Gone, login)), at(12, 18, with(Gone, update)), at(40, 50, revoke))},
		{"a lost update", false, told(create, update, update, get(0, 3))},
		{"a lost update, whoever looks", false, told(create, update, login, getBy(2, 2, 0))},
		{"an update done twice", false, told(create, update, get(0, 2, 2))},
		{"an update that nobody made", false, told(create, get(0, 7))},
		{"an update that was refused", false, told(create, with(Unavailable, update), get(0, 2))},
		{"updates at a time, in either order", true, told(create, at(20, 40, update), at(21, 41, update), at(50, 55, get(0, 3, 2)))},
		{"orders that contradict each other", false, told(create, at(20, 60, update), at(21, 61, update), at(30, 32, get(0, 2)), at(40, 42, get(0, 3)))},
		{"an unknown update that is there", true, told(create, with(Unknown, update), get(0), get(0, 2))},
		{"an unknown update that is not", true, told(create, with(Unknown, update), get(0), update, get(0, 4))},
		{"an unknown update that was there", false, told(create, with(Unknown, update), get(0, 2), get(0))},
		{"an unknown update done twice", false, told(create, with(Unknown, update), get(0, 2, 2))},

		{"the last set is there", true, told(create, setA, setA, get(3))},
		{"the last set was replaced by an older one", false, told(create, setA, setA, get(2))},
		{"an unknown set that comes late", true, told(create, with(Unknown, setA), setA, get(3), get(2))},
		{"an unknown set that comes and goes", false, told(create, with(Unknown, setA), get(2), get(0))},
		{"a value removed", true, told(create, setA, unsetA, get(0))},
		{"a value that comes back", false, told(create, setA, unsetA, get(2))},
		{"a value that is gone", false, told(create, setA, get(0))},
		{"an unknown removal that comes late", true, told(create, setA, with(Unknown, unsetA), get(2), get(0))},
		{"an unknown removal that is taken back", false, told(create, setA, with(Unknown, unsetA), get(0), get(2))},

		{"signed out", true, told(create, destroy, notFound)},
		{"a session that comes back", false, told(create, destroy, get(0))},
		{"a session that is seen to come back", false, told(create, at(20, 90, destroy), at(30, 32, notFound), at(40, 42, get(0)))},
		{"a session during its sign-out", true, told(create, at(20, 90, destroy), at(30, 32, get(0)), at(40, 42, notFound))},
		{"a save into what has ended", false, told(create, destroy, update)},
		{"a save that is told of the end", true, told(create, at(20, 40, destroy), at(21, 50, with(Gone, update)))},
		{"a save that is told of no end", false, told(create, with(Gone, update), get(0))},
		{"a session that disappears", false, told(create, notFound)},
		{"an unknown sign-out that happens", true, told(create, with(Unknown, destroy), get(0), notFound)},
		{"an unknown sign-out that is taken back", false, told(create, with(Unknown, destroy), notFound, get(0))},
		{"an unknown save that is told of the end, which comes back", false, func() Family {
			o := with(Unknown, update)
			o.Ended = true
			return told(create, at(20, 50, with(Unknown, destroy)), at(21, 51, o), at(60, 65, get(0)))
		}()},

		{"a sign-in", true, told(create, setA, login, getBy(2, 2, 2), notFound)},
		{"a sign-in that leaves the old session", false, told(create, login, get(0))},
		{"a sign-in that loses values", false, told(create, setA, login, getBy(2, 2, 0))},
		{"a sign-in that loses a save beside it", false, told(create, at(20, 30, setA), at(21, 40, login), at(50, 55, getBy(2, 2, 0)))},
		{"another principal's sign-in", true, told(signIn, setA, func() Op { o := login; o.Principal = "q"; return o }(), getBy(2, 2, 0))},
		{"another principal who gets the values", false, told(signIn, setA, func() Op { o := login; o.Principal = "q"; return o }(), getBy(2, 2, 2))},
		{"a sign-in from a session that was signed out", false, told(create, destroy, login)},
		{"a sign-in beside the sign-out of its session", true, told(create, at(20, 40, destroy), at(21, 41, login), at(50, 55, getBy(2, 2, 0)))},
		{"two sign-ins from one session", true, told(create, at(20, 40, login), at(21, 41, func() Op { o := login; o.NewSession, o.NewToken = 3, 3; return o }()))},

		{"signed out everywhere", true, told(signIn, revoke, notFound)},
		{"a session that is left", false, told(signIn, revoke, get(0))},
		{"a session that is spared", true, told(signIn, func() Op { o := revoke; o.Except = 1; return o }(), get(0))},
		{"one after the other", true, told(signIn, at(20, 90, revoke), at(30, 32, get(0)), at(40, 42, notFound))},
		{"one after the other, and back", false, told(signIn, at(20, 90, revoke), at(30, 32, notFound), at(40, 42, get(0)))},
		{"an unknown sign-out everywhere", true, told(signIn, with(Unknown, revoke), get(0), notFound)},
		{"an unknown sign-out everywhere, and a sign-in beside it that ends", true, told(at(10, 30, with(Unknown, revoke)), at(20, 40, signIn), at(50, 55, notFound))},
		{"an unknown sign-out everywhere, and a sign-in after it that ends", false, told(with(Unknown, revoke), signIn, notFound)},
		{"an unknown sign-out everywhere, and a sign-in after it, refused", true, told(with(Unknown, revoke), with(Revoked, signIn))},
		{"an unknown sign-out everywhere that was settled, and a sign-in, refused", false, told(with(Unknown, revoke), signIn, with(Revoked, signIn))},
		{"an unknown sign-out everywhere that was settled, and an attempt from before, refused", true, told(begin, with(Unknown, revoke), signIn, attempt(1, with(Revoked, signIn)))},
		{"an attempt", true, told(begin, attempt(1, signIn), get(0))},
		{"an attempt from before", false, told(begin, revoke, attempt(1, signIn))},
		{"an attempt from before, refused", true, told(begin, revoke, attempt(1, with(Revoked, signIn)))},
		{"an attempt from before, and what it made has ended", true, told(begin, at(20, 40, revoke), at(21, 30, attempt(1, signIn)), at(50, 55, notFound))},
		{"an attempt from before, and what it made goes on", false, told(begin, at(20, 40, revoke), at(21, 30, attempt(1, signIn)), at(50, 55, get(0)))},
		{"a good attempt, refused", false, told(begin, attempt(1, with(Revoked, signIn)))},
		{"a sign-in after all", true, told(revoke, signIn, get(0))},

		{"renewed", true, told(create, renew, get(0), getBy(1, 2, 0))},
		{"renewed twice by one token", false, told(create, renew, func() Op { o := renew; o.NewToken = 3; return o }())},
		{"renewed once", true, told(create, renew, with(Kept, renew))},
		{"renewed by nobody", false, told(create, with(Kept, renew))},
		{"renewed perhaps", true, told(create, with(Unknown, renew), with(Kept, renew), get(0))},
		{"renewed perhaps, and not", false, told(create, with(Unknown, renew), with(Kept, renew), renew)},
		{"a token renewed eight times", true, renewedTimes(8, get(0), update)},
		{"a token renewed eight times that opens nothing", false, renewedTimes(8, notFound)},
		{"a token renewed nine times", true, renewedTimes(9, notFound, getBy(1, 2, 0), getBy(1, 10, 0))},
		{"a token renewed nine times that opens", false, renewedTimes(9, get(0))},
		{"a token renewed nine times that saves", false, renewedTimes(9, update)},
		{"a token renewed nine times, perhaps", true, renewedTimes(8, with(Unknown, renewal(9)), notFound)},
		{"a token renewed nine times, perhaps, and not", true, renewedTimes(8, with(Unknown, renewal(9)), get(0))},
		{"a token renewed nine times, perhaps, that comes back", false, renewedTimes(8, with(Unknown, renewal(9)), notFound, get(0))},
		{"a sign-in with a token that was renewed", false, told(create, renew, func() Op { o := login; o.NewToken = 3; return o }())},
		{"a sign-in with a token that was renewed, refused", true, told(create, renew, with(Conflict, login), get(0))},
		{"a sign-in with a token that was renewed perhaps", true, told(create, with(Unknown, renew), login)},
		{"a sign-in with a token that was renewed, as someone was told", false, told(create, with(Unknown, renew), with(Kept, renew), login)},
		{"a sign-in refused for nothing", false, told(create, with(Conflict, login))},

		{"a session that ended before it was made", false, told(with(Gone, create))},
		{"a read that is told of an end", false, told(create, with(Gone, get(0)))},
		{"a read without values", false, told(create, Op{Kind: Get, Session: 1, Token: 1})},
		{"an answer that nothing promises", false, told(create, with(Failed, update))},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Check(c.f, time.Minute)
			if v.Undecided || v.Failed() == c.sound {
				t.Errorf("sound: %v, want %v: %+v\n%s", !v.Failed(), c.sound, v, c.f.Table())
			}
		})
	}
}

func TestCheckIdle(t *testing.T) {
	const idle = 100
	when := func(clock int64, o Op) Op {
		o.ClockCall, o.ClockReturn = clock, clock
		return o
	}
	lasting := func(clock int64, o Op) Op {
		o.ClockReturn, o.NewSession, o.NewToken = clock, 0, 0
		return o
	}
	quiet := func(o Op) Op {
		o.Quiet = true
		return o
	}
	for _, c := range []struct {
		name  string
		sound bool
		f     Family
	}{
		{"in time", true, told(when(0, create), when(99, quiet(get(0))))},
		{"too late", true, told(when(0, create), when(100, notFound))},
		{"too late, and open", false, told(when(0, create), when(100, quiet(get(0))))},
		{"too early", false, told(when(0, create), when(99, notFound))},
		{"kept alive by a save", true, told(when(0, create), when(99, update), when(198, quiet(get(0, 2))))},
		{"kept alive by a save, and expired", false, told(when(0, create), when(99, update), when(198, notFound))},
		{"not kept alive by looking", false, told(when(0, create), when(99, quiet(get(0))), when(198, quiet(get(0))))},
		{"perhaps kept alive", true, told(when(0, create), when(99, with(Unknown, update)), when(198, quiet(get(0, 2))))},
		{"perhaps not kept alive", true, told(when(0, create), when(99, with(Unknown, update)), when(198, notFound))},
		{"kept alive by a removal", true, told(when(0, create), when(1, setA), when(99, unsetA), when(198, quiet(get(0))))},
		{"kept alive by a removal, and expired", false, told(when(0, create), when(1, setA), when(99, unsetA), when(198, notFound))},
		{"a removal, and too late, and open", false, told(when(0, create), when(1, setA), when(10, unsetA), when(110, quiet(get(0))))},
		{"perhaps kept alive by removing nothing", true, told(when(0, create), when(99, unsetA), when(198, quiet(get(0))))},
		{"back again", false, told(when(0, create), when(100, notFound), when(100, quiet(get(0))))},
		{"made, and expired before that was known", true, told(lasting(100, with(Gone, create)))},
		{"made, and ended before it can have expired", false, told(lasting(99, with(Gone, create)))},
		{"a save that is too late", true, told(when(0, create), when(100, with(NotFound, update)))},
		{"a save that is too late, and done", false, told(when(0, create), when(100, update))},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.f.Idle = idle
			v := Check(c.f, time.Minute)
			if v.Undecided || v.Failed() == c.sound {
				t.Errorf("sound: %v, want %v: %+v\n%s", !v.Failed(), c.sound, v, c.f.Table())
			}
		})
	}
}

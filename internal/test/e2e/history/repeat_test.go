package history_test

import (
	"testing"
	"time"

	. "github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

// from makes a sign-in from session 1 that makes another one, with a token of the same
// number.
func from(session, token, next int) Op {
	return Op{Kind: Login, Session: session, Token: token, Principal: "p", NewSession: next, NewToken: next}
}

// again is from, by a client that goes on even if the token opens nothing.
func again(next int) Op { return againBy(1, 1, next) }

func againBy(session, token, next int) Op {
	o := from(session, token, next)
	o.Again = true
	return o
}

func as(principal string, o Op) Op {
	o.Principal = principal
	return o
}

func key(o Op) Op {
	o.Key = "a"
	return o
}

func outside(o Op) Op {
	o.How = Outside
	return o
}

// by has an operation present another token.
func by(session, token int, o Op) Op {
	o.Session, o.Token = session, token
	return o
}

func admin(session int) Op { return Op{Kind: Update, Session: session, Quiet: true} }

func none(session int) Op { return with(NotFound, Op{Kind: Get, Session: session, Token: session}) }

// A sign-in may be repeated with the token that it replaced: the new session has what
// had been carried into the one that nobody used, and takes its place.
func TestCheckRepeatedSignIns(t *testing.T) {
	for _, c := range []struct {
		name  string
		sound bool
		f     Family
	}{
		{"repeated", true, told(create, setA, login, again(3), getBy(3, 3, 2), none(2), notFound)},
		{"repeated, without the cart", false, told(create, setA, login, again(3), getBy(3, 3, 0))},
		{"repeated, and the first is left", false, told(create, login, again(3), getBy(3, 3, 0), getBy(2, 2, 0))},
		{"repeated, and the old one is left", false, told(create, login, again(3), get(0))},
		{"repeated with a value", true, told(create, setA, login, key(again(3)), getBy(3, 3, 4))},
		{"repeated with a value, which is lost", false, told(create, setA, login, key(again(3)), getBy(3, 3, 2))},
		{"a value of the sign-in itself goes along", true, told(create, key(login), again(3), getBy(3, 3, 2))},
		{"a value of the sign-in itself is lost", false, told(create, key(login), again(3), getBy(3, 3, 0))},
		{"what was saved afterwards goes along", false, told(create, login, admin(2), again(3), getBy(3, 3, 0, 3))},
		{"what was saved afterwards stays behind", true, told(create, update, login, admin(2), again(3), getBy(3, 3, 0, 2))},
		{"what was saved afterwards, and before", false, told(create, update, login, admin(2), again(3), getBy(3, 3, 0))},
		{"refused", false, told(create, login, with(Gone, again(3)))},
		{"refused, and not repeated", false, told(create, login, with(Gone, from(1, 1, 3)))},
		{"not known, and not repeated", true, told(create, login, with(NotFound, from(1, 1, 3)))},
		{"by who isn't to go on", false, told(create, login, from(1, 1, 3))},

		{"used, and left alone", true, told(create, setA, login, getBy(2, 2, 2), again(4), getBy(4, 4, 0), getBy(2, 2, 2))},
		{"used, and ended", false, told(create, setA, login, getBy(2, 2, 2), again(4), none(2))},
		{"used, and its values go along", false, told(create, setA, login, getBy(2, 2, 2), again(4), getBy(4, 4, 2))},
		{"used by a save", false, told(create, setA, login, by(2, 2, update), again(4), getBy(4, 4, 2))},
		{"used by a renewal", true, told(create, setA, login, Op{Kind: Renew, Session: 2, Token: 2, NewToken: 5}, again(4), getBy(4, 4, 0), getBy(2, 5, 2))},
		{"used by a sign-in", true, told(create, setA, login, from(2, 2, 3), again(4), getBy(4, 4, 0), getBy(3, 3, 2))},
		{"used by a sign-in, and ended", false, told(create, setA, login, from(2, 2, 3), again(4), none(3))},
		{"used at the same time, repeated", true, told(create, setA, login, at(50, 80, getBy(2, 2, 2)), at(60, 90, again(5)), getBy(5, 5, 2), none(2))},
		{"used at the same time, left alone", true, told(create, setA, login, at(50, 80, getBy(2, 2, 2)), at(60, 90, again(5)), at(100, 110, getBy(5, 5, 0)), at(120, 130, getBy(2, 2, 2)))},
		{"used at the same time, and both have it", false, told(create, setA, login, at(50, 80, getBy(2, 2, 2)), at(60, 90, again(5)), at(100, 110, getBy(5, 5, 2)), at(120, 130, getBy(2, 2, 2)))},
		{"used at the same time, and neither has it", false, told(create, setA, login, at(50, 80, getBy(2, 2, 2)), at(60, 90, again(5)), at(100, 110, getBy(5, 5, 0)), at(120, 130, none(2)))},
		{"used perhaps, repeated", true, told(create, setA, login, with(Unavailable, by(2, 2, update)), again(5), getBy(5, 5, 2), none(2))},
		{"used perhaps, left alone", true, told(create, setA, login, with(Unknown, by(2, 2, setA)), again(5), getBy(5, 5, 0), getBy(2, 2, 2))},
		{"used perhaps later", false, told(create, setA, login, again(5), with(Unavailable, by(2, 2, update)), getBy(5, 5, 0))},
		{"used perhaps, as the next has found", false, told(create, setA, login, with(Unavailable, by(2, 2, update)), again(5), again(6), getBy(5, 5, 0), getBy(6, 6, 2))},

		{"a chain", true, told(create, setA, login, again(3), again(4), againBy(2, 2, 5), getBy(5, 5, 2), none(2), none(3), none(4))},
		{"a chain that leaves one", false, told(create, setA, login, again(3), again(4), getBy(3, 3, 2))},
		{"a chain that loses the cart", false, told(create, setA, login, again(3), again(4), getBy(4, 4, 0))},
		{"a chain to one that was used", true, told(create, setA, login, again(3), getBy(3, 3, 2), again(6), getBy(6, 6, 0), getBy(3, 3, 2))},

		{"another principal", true, told(create, setA, login, as("q", again(3)), getBy(3, 3, 0), getBy(2, 2, 2))},
		{"another principal with the cart", false, told(create, setA, login, as("q", again(3)), getBy(3, 3, 2))},
		{"another principal who ends it", false, told(create, setA, login, as("q", again(3)), none(2))},
		{"a renewed token", true, told(create, renew, by(1, 2, from(1, 2, 2)), with(Gone, again(4)))},
		{"a renewed token that repeats", false, told(create, Op{Kind: Renew, Session: 1, Token: 1, NewToken: 9}, from(1, 9, 2), again(4))},
		{"the token that it was renewed to", true, told(create, setA, Op{Kind: Renew, Session: 1, Token: 1, NewToken: 9}, from(1, 9, 2), againBy(1, 9, 4), getBy(4, 4, 2))},
		{"signed out", true, told(create, setA, login, by(2, 2, destroy), again(3), getBy(3, 3, 0))},
		{"signed out, with the cart", false, told(create, setA, login, by(2, 2, destroy), again(3), getBy(3, 3, 2))},
		{"from what was signed out", true, told(create, setA, destroy, again(2), getBy(2, 2, 0))},
		{"from what was signed out, with the cart", false, told(create, setA, destroy, again(2), getBy(2, 2, 2))},
		{"from what was signed out, refused", false, told(create, destroy, with(Gone, again(2)))},
		{"signed out everywhere", true, told(create, setA, login, revoke, again(3), getBy(3, 3, 0), none(2))},
		{"signed out everywhere perhaps, repeated", true, told(create, setA, login, with(Unknown, revoke), again(3), getBy(3, 3, 2))},
		{"signed out everywhere perhaps, and not repeated", true, told(create, setA, login, with(Unknown, revoke), again(3), getBy(3, 3, 0))},
		{"signed out everywhere perhaps, not repeated, and left", false, told(create, setA, login, with(Unknown, revoke), again(3), getBy(3, 3, 0), getBy(2, 2, 2))},
		{"from what is live", true, told(create, setA, again(2), getBy(2, 2, 2))},
		{"from what is live by a token that was renewed, refused", true, told(create, renew, with(Conflict, again(5)))},
		{"from what is live by a token that is forgotten", true, renewedTimes(9, by(1, 10, setA), again(11), getBy(11, 11, 0), getBy(1, 10, 11))},
		{"from what was replaced by a token that is forgotten", false, renewedTimes(9, from(1, 10, 11), again(12), getBy(12, 12, 0))},
		{"from what is live, which begins with nothing", false, told(create, setA, again(2), getBy(2, 2, 0))},

		{"two clicks", true, told(create, setA, at(30, 50, login), at(31, 51, from(1, 1, 3)), at(60, 65, getBy(3, 3, 2)), at(70, 75, none(2)))},
		{"two clicks, in the other order", true, told(create, setA, at(30, 50, login), at(31, 51, from(1, 1, 3)), at(60, 65, getBy(2, 2, 2)), at(70, 75, none(3)))},
		{"two clicks, two devices", false, told(create, setA, at(30, 50, login), at(31, 51, from(1, 1, 3)), at(60, 65, getBy(2, 2, 2)), at(70, 75, getBy(3, 3, 2)))},
		{"two clicks, and one begins with nothing", false, told(create, setA, at(30, 50, login), at(31, 51, from(1, 1, 3)), at(60, 65, getBy(2, 2, 2)), at(70, 75, getBy(3, 3, 0)))},
		{"a sign-in that a repetition of the one before overtook", true, told(create, setA, login, at(40, 90, from(2, 2, 3)), at(41, 50, again(4)), at(60, 65, getBy(4, 4, 2)), at(100, 105, getBy(3, 3, 0)), at(110, 115, getBy(4, 4, 2)))},
		{"two clicks, and none outside of requests to the first that comes with the token", true, told(create, login, at(30, 50, from(2, 2, 3)), at(31, 51, outside(with(NotFound, from(2, 2, 3)))))},
		{"two clicks, refused outside of requests to the first that comes with the token", false, told(create, login, at(30, 50, from(2, 2, 3)), at(31, 51, outside(with(Gone, from(2, 2, 3)))))},
		{"two clicks, refused outside of requests", false, told(create, login, getBy(2, 2, 0), at(40, 50, from(2, 2, 3)), at(41, 51, outside(with(Gone, from(2, 2, 3)))))},
		{"two clicks of who is signed in, refused", false, told(create, login, at(30, 50, from(2, 2, 3)), at(31, 51, with(Gone, from(2, 2, 3))))},
		{"two clicks, refused", false, told(create, setA, at(30, 50, login), at(31, 51, with(Gone, from(1, 1, 3))))},
		{"two clicks of two principals", true, told(create, setA, at(30, 50, login), at(31, 51, as("q", from(1, 1, 3))), at(60, 65, getBy(2, 2, 2)), at(70, 75, getBy(3, 3, 0)))},

		{"unheard", true, told(create, setA, with(Unknown, login), again(2), getBy(2, 2, 2), notFound)},
		{"unheard, and begins with nothing", false, told(create, setA, with(Unknown, login), again(2), getBy(2, 2, 0))},
		{"unheard, and the old session is not left", true, told(create, setA, with(Unknown, login), notFound, again(2), getBy(2, 2, 2))},
		{"unheard, the old session is not left, and begins with nothing", false, told(create, setA, with(Unknown, login), notFound, again(2), getBy(2, 2, 0))},
		{"unheard, with a value", true, told(create, key(with(Unknown, login)), again(2), getBy(2, 2, 2))},
		{"unheard, with a value, not there", true, told(create, key(with(Unknown, login)), again(2), getBy(2, 2, 0))},
		{"unheard, ended, with a value, not there", false, told(create, key(with(Unknown, login)), notFound, again(2), getBy(2, 2, 0))},
		{"unheard of another principal", true, told(create, setA, with(Unknown, as("q", login)), again(2), getBy(2, 2, 0), as("q", again(3)), getBy(3, 3, 2))},
		{"unheard of another principal, and not done", true, told(create, setA, with(Unknown, as("q", login)), again(2), getBy(2, 2, 2), as("q", again(3)), getBy(3, 3, 0))},
		{"unheard of another principal, twice", false, told(create, setA, with(Unknown, as("q", login)), again(2), getBy(2, 2, 2), as("q", again(3)), getBy(3, 3, 2))},
		{"unheard, refused", false, told(create, setA, with(Unknown, login), with(Gone, again(2)))},
		{"a repetition unheard", true, told(create, setA, login, with(Unknown, again(3)), again(3), getBy(3, 3, 2), none(2))},
		{"a repetition unheard, and the first is left", true, told(create, setA, login, with(Unknown, again(3)), getBy(2, 2, 2), again(3), getBy(3, 3, 0), getBy(2, 2, 2))},
		{"a repetition unheard, and the first is not left", true, told(create, setA, login, with(Unknown, again(3)), none(2), again(3), getBy(3, 3, 2))},
		{"a repetition unheard, the first is not left, nor the cart", false, told(create, setA, login, with(Unknown, again(3)), none(2), again(3), getBy(3, 3, 0))},
		{"unheard, and everybody was signed out", true, told(create, setA, with(Unknown, login), revoke, again(2), getBy(2, 2, 0), notFound)},
		{"unheard, everybody was signed out, and not done", true, told(create, setA, with(Unknown, login), revoke, again(2), getBy(2, 2, 2))},
		{"unheard beside another that is repeated", true, told(create, setA, at(30, 90, key(with(Unknown, login))), at(31, 50, from(1, 1, 2)), at(60, 65, none(2)), at(100, 105, again(3)), at(110, 115, getBy(3, 3, 3)))},
		{"unheard before another that is ended", false, told(create, setA, at(30, 40, with(Unknown, login)), at(41, 50, from(1, 1, 2)), at(60, 65, none(2)))},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Check(c.f, time.Minute)
			if v.Undecided || v.Failed() == c.sound {
				t.Errorf("sound: %v, want %v: %+v\n%s", !v.Failed(), c.sound, v, c.f.Table())
			}
		})
	}
}

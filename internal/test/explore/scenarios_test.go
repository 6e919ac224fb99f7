package explore

import (
	"slices"
	"time"
)

// does is a client that works on one of the first sessions.
func does(session int, programs ...program) spec { return spec{programs: programs, token: session} }

// touches is a client whose every look at a session is recorded as activity.
func touches(session int) spec {
	return spec{programs: []program{touch}, token: session, touches: true}
}

// visits is a visitor who comes so often, each time that the clients can.
func visits(session, times int) spec {
	return spec{programs: slices.Repeat([]program{visit}, times), token: session, touches: true}
}

const (
	sweepAll    = 0xff
	sweepLedger = 1 << ledgerSlot
)

// timeless is a scenario in which no time passes.
func timeless(sc scenario) scenario {
	sc.tick, sc.idle, sc.life = time.Hour, 20, 20
	return sc
}

// scenarios have to hold. Every day costly ones have a fault less than their bounds
// allow. Full exploring adds a fault, a crash and time. The
// race detector makes real code twenty times slower, and its scenarios have no
// faults: those are explored without it.
func scenarios() []scenario {
	list := bounded()
	for i := range list {
		sc := &list[i]
		switch {
		case *full:
			sc.faults++
			sc.crashes++
			if sc.maxTime > 0 && !sc.hour {
				sc.maxTime++
			}
		case raceEnabled:
			sc.faults, sc.crashes = 0, 0
		case sc.costly && !*costly:
			sc.faults--
		}
	}
	return list
}

// bounded are the scenarios with their bounds. Session 0 is S1, session 1 S2; their
// slots are 1 and 2.
func bounded() []scenario {
	anonymous, signedIn, both := []bool{false}, []bool{true}, []bool{true, true}
	return []scenario{
		timeless(scenario{name: "saves-2", about: "two saves and a touch", signedIn: anonymous, faults: 2,
			clients: []spec{does(0, save(0)), does(0, saveKey(1)), touches(0)}}),
		timeless(scenario{name: "saves-3", about: "three saves", signedIn: anonymous, faults: 2,
			clients: []spec{does(0, save(0)), does(0, save(1)), does(0, saveKey(2))}}),
		timeless(scenario{name: "saves-many", about: "one save against two and one", signedIn: anonymous, faults: 1,
			clients: []spec{does(0, save(0)), does(0, save(1), save(3)), does(0, save(2))}}),
		timeless(scenario{name: "saves-lag", about: "two saves and a touch, lagging copies", signedIn: anonymous, faults: 2, lag: true,
			clients: []spec{does(0, save(0)), does(0, save(1)), touches(0)}}),
		timeless(scenario{name: "unset", about: "an Unset that equals what was read, of what another set meanwhile", signedIn: anonymous, faults: 1,
			clients: []spec{does(0, lower), does(0, raise), does(0, save(0))}}),
		timeless(scenario{name: "unset-vouched", about: "the same where the store vouches for its reads", signedIn: anonymous, faults: 1, vouches: true,
			clients: []spec{does(0, lower), does(0, raise), does(0, save(0))}}),
		timeless(scenario{name: "take", about: "a note is taken by two", signedIn: anonymous, note: true, faults: 2, crashes: 1,
			clients: []spec{does(0, take), does(0, take)}}),
		timeless(scenario{name: "take-leave", about: "the same, while another is left", signedIn: anonymous, note: true, faults: 1,
			clients: []spec{does(0, take), does(0, take), does(0, leave(1))}}),
		timeless(scenario{name: "take-phantom", about: "a note is taken while another is left, a node that was cut off with a phantom write", signedIn: anonymous, note: true, faults: 3, phantoms: true,
			clients: []spec{does(0, take), does(0, leave(1))}}),
		timeless(scenario{name: "saves-certain", about: "one save against two and one, where the store vouches for its answers", signedIn: anonymous, faults: 1, vouches: true, certain: true,
			clients: []spec{does(0, save(0)), does(0, save(1), save(3)), does(0, save(2))}}),
		timeless(scenario{name: "refusal-certain", about: "a save that refuses if it finds another, two others, where the store vouches for its answers alone", signedIn: anonymous, faults: 2, certain: true,
			clients: []spec{does(0, saveUnless(1, 0, func(caller) {})), does(0, save(1)), does(0, save(2))}}),
		timeless(scenario{name: "login-certain", about: "sign-in and three saves on the old session, where the store vouches for its answers", signedIn: anonymous, ledger: true, faults: 1, vouches: true, certain: true, successor: true,
			clients: []spec{does(0, beginLogin, login), does(0, save(0), save(2)), does(0, save(1))}}),
		timeless(scenario{name: "saves-phantom", about: "two saves, a node that was cut off with a phantom write", signedIn: anonymous, faults: 3, phantoms: true,
			clients: []spec{does(0, save(0)), does(0, save(1))}}),
		timeless(scenario{name: "refusal-phantom", about: "a save that refuses if it finds another, that other, such a node", signedIn: anonymous, faults: 3, phantoms: true,
			clients: []spec{does(0, saveUnless(1, 0, func(caller) {})), does(0, save(1))}}),
		timeless(scenario{name: "create-phantom", about: "create and sign out, a save beside it, such a node", faults: 3, phantoms: true,
			clients: []spec{does(0, createAndDestroy), does(0, save(1))}}),
		timeless(scenario{name: "login-phantom", about: "sign-in and a save on the old session, such a node", signedIn: anonymous, ledger: true, faults: 2, phantoms: true, successor: true,
			clients: []spec{does(0, beginLogin, login), does(0, save(0))}}),
		timeless(scenario{name: "revoke-phantom", about: "BeginLogin and Login, RevokeAll, such a node", signedIn: anonymous, ledger: true, faults: 2, phantoms: true,
			clients: []spec{does(0, beginLogin, login), does(0, revokeAll())}}),
		timeless(scenario{name: "queue", about: "two saves of one process that are merged, and one of another", signedIn: anonymous, faults: 2,
			clients: []spec{does(0, together(save(0), save(1))), does(0, save(2))}}),
		timeless(scenario{name: "claim", about: "two saves of one process of which one refuses if it finds the other, and one of another", signedIn: anonymous, faults: 2,
			clients: []spec{does(0, together(save(0), claim(0, 1))), does(0, claim(0, 2))}}),
		{name: "destroy", about: "create and sign out, a save beside it, time, sweep", faults: 1, crashes: 1,
			tick: time.Hour, idle: 1, life: 2, maxTime: 3, sweep: sweepAll,
			clients: []spec{does(0, createAndDestroy), does(0, save(1))}},
		{name: "create-end", about: "create, while a console ends what it may not find; time, sweep", faults: 1, crashes: 1,
			tick: time.Hour, idle: 2, life: 3, maxTime: 4, sweep: sweepAll,
			clients: []spec{does(0, create), does(0, end)}},
		timeless(scenario{name: "destroy-saves", about: "sign-out, which buries at the version it knows and, if that fails, whatever there is; two saves", signedIn: anonymous, faults: 2, crashes: 1,
			clients: []spec{does(0, destroy), does(0, save(0)), does(0, save(1))}}),
		timeless(scenario{name: "end", about: "a console ends a signed-in session, RevokeAll, a save", signedIn: signedIn, faults: 1, crashes: 1,
			clients: []spec{does(0, end), does(0, revokeAll()), does(0, save(0))}}),
		timeless(scenario{name: "end-device", about: "a page of devices ends another session, a touch on that", signedIn: both, faults: 2, crashes: 1,
			clients: []spec{does(0, endDevice), touches(1)}}),
		timeless(scenario{name: "end-device-phantom", about: "the same beside the sign-out of that, a node that was cut off with a phantom write", signedIn: both, faults: 2, phantoms: true, props: "x",
			clients: []spec{does(0, endDevice), does(1, destroy)}}),
		timeless(scenario{name: "end-device-foreign", about: "a page of devices names a session that is nobody's", signedIn: []bool{true, false}, faults: 1, keep: 1 << 2,
			clients: []spec{does(0, endDevice), touches(1)}}),
		timeless(scenario{name: "end-login", about: "a console ends the session that is signing in, a save", signedIn: anonymous, ledger: true, faults: 1, crashes: 1, successor: true,
			clients: []spec{does(0, end), does(0, beginLogin, login), does(0, save(0))}}),
		{name: "expiry", costly: true, about: "a save and a touch in flight while the session expires, is looked at and swept", signedIn: anonymous, faults: 1,
			tick: time.Hour, idle: 2, life: 4, maxTime: 3, sweep: sweepAll, props: "x",
			clients: []spec{does(0, whenever(save(0))), does(0, look), touches(0)}},
		{name: "expiry-slow", about: "the same without the sweep, and answers that take their time", signedIn: anonymous,
			tick: time.Hour, idle: 2, life: 4, maxTime: 3, slow: true, props: "x",
			clients: []spec{does(0, whenever(save(0))), does(0, look), touches(0)}},
		{name: "visits", about: "a visitor keeps coming, consoles write meanwhile", signedIn: anonymous,
			tick: time.Hour, idle: 2, life: 20, maxTime: 3, prompt: true, props: "i",
			clients: []spec{visits(0, 3), does(0, count(0)), does(0, count(1))}},
		{name: "visits-ahead", about: "a visitor keeps coming, a console whose machine's clock is ahead looks, sweeps and writes; the engine's clock is right", signedIn: anonymous, faults: 1,
			tick: time.Hour, idle: 2, life: 4, maxTime: 3, prompt: true, props: "i",
			clients: []spec{visits(0, 3), {programs: []program{manage(0)}, ahead: 3}}},
		{name: "visits-slow", about: "a visitor comes and no more, a console writes meanwhile; writes and answers take their time", signedIn: anonymous,
			tick: time.Hour, idle: 2, life: 20, maxTime: 5, slow: true, props: "i",
			clients: []spec{visits(0, 1), does(0, count(0))}},
		{name: "versions", about: "a create executed twice, a save in flight, expiry, sweep", faults: 1,
			tick: time.Hour, idle: 2, life: 3, maxTime: 4, sweep: sweepAll, props: "x",
			clients: []spec{does(0, create), does(0, save(1)), does(0, look)}},
		timeless(scenario{name: "login", about: "BeginLogin and Login, a save on the old session, RevokeAll", signedIn: anonymous, ledger: true, faults: 1, crashes: 1, successor: true,
			clients: []spec{does(0, beginLogin, login), does(0, save(0)), does(0, revokeAll())}}),
		timeless(scenario{name: "login-saves", costly: true, about: "sign-in and two saves on the old session", signedIn: anonymous, ledger: true, faults: 2, successor: true,
			clients: []spec{does(0, beginLogin, login), does(0, save(0)), does(0, save(1))}}),
		timeless(scenario{name: "login-save", about: "sign-in and a save on the old session", signedIn: anonymous, ledger: true, faults: 3, crashes: 1, successor: true,
			clients: []spec{does(0, beginLogin, login), does(0, save(0))}}),
		timeless(scenario{name: "login-login", costly: true, about: "two sign-ins from one session, a save", signedIn: anonymous, ledger: true, faults: 1, successor: true,
			clients: []spec{does(0, beginLogin, login), does(0, beginLogin, login), does(0, save(0))}}),
		timeless(scenario{name: "login-unheard", costly: true, about: "a save, and two sign-ins with the old token, as the first may not have been heard; something is saved after each; a request with the newest token", signedIn: anonymous, ledger: true, faults: 2, crashes: 1, successor: true,
			clients: []spec{does(0, save(0), loginUnheard(1), loginUnheard(2)), does(0, useNewest)}}),
		timeless(scenario{name: "login-clicks", costly: true, about: "two such sign-ins at the same time", signedIn: anonymous, ledger: true, faults: 1, successor: true,
			clients: []spec{does(0, save(0), loginUnheard(1)), does(0, loginUnheard(1))}}),
		timeless(scenario{name: "login-destroy", about: "sign-in while the old session signs out", signedIn: anonymous, ledger: true, faults: 3, crashes: 1, successor: true,
			clients: []spec{does(0, beginLogin, login), does(0, destroy)}}),
		timeless(scenario{name: "login-destroy-one", about: "one Session signs in and out at the same time, a save", signedIn: anonymous, ledger: true, faults: 1, crashes: 1,
			clients: []spec{does(0, beginLogin, loginAndDestroy), does(0, save(0))}}),
		timeless(scenario{name: "login-revoke", about: "BeginLogin and Login, RevokeAll", signedIn: anonymous, ledger: true, faults: 2, crashes: 1,
			clients: []spec{does(0, beginLogin, login), does(0, revokeAll())}}),
		timeless(scenario{name: "relogin", about: "signing in again from a signed-in session, RevokeAll", signedIn: signedIn, faults: 1, crashes: 1,
			clients: []spec{does(0, beginLogin, login), does(0, revokeAll())}}),
		timeless(scenario{name: "relogin-limit", about: "signing in again at the limit of two ends no other session; a touch on that", signedIn: both, limit: 2, faults: 2, crashes: 1, keep: 1 << 2,
			clients: []spec{does(0, beginLogin, login), touches(1)}}),
		timeless(scenario{name: "logout", about: "sign-out of a signed-in session, RevokeAll", signedIn: both, faults: 2, crashes: 1,
			clients: []spec{does(0, destroy), does(0, revokeAll())}}),
		timeless(scenario{name: "revoke-revoke", costly: true, about: "RevokeAll twice; the store vouches for its reads", signedIn: both, faults: 1, vouches: true,
			clients: []spec{does(0, revokeAll()), does(0, revokeAll())}}),
		timeless(scenario{name: "revoke-except", about: "RevokeAll, twice, and RevokeAll except for S1; the store vouches for its reads", signedIn: both, crashes: 1, vouches: true,
			clients: []spec{does(0, revokeAll(), revokeAll()), does(0, revokeAll(1))}}),
		timeless(scenario{name: "limit", about: "sign-in ends the oldest of one that is allowed, a touch on that, RevokeAll", signedIn: []bool{false, true}, limit: 1,
			clients: []spec{does(0, beginLogin, login), does(0, revokeAll()), touches(1)}}),
		timeless(scenario{name: "limit-ended", about: "sign-in at the limit of two, of which the ledger still names one that was ended; a touch on the other", signedIn: []bool{false, true, true}, ended: 3, limit: 2, faults: 2, keep: 1 << 2,
			clients: []spec{does(0, beginLogin, login), touches(1)}}),
		timeless(scenario{name: "end-phantom", about: "two consoles end a session, a node that was cut off with a phantom write", signedIn: anonymous, faults: 2, phantoms: true,
			clients: []spec{does(0, end), does(0, end)}}),
		timeless(scenario{name: "ends-one", about: "two consoles of one process end S1 at the same time, a save", signedIn: anonymous, faults: 1, props: "o",
			clients: []spec{does(0, together(end, end)), does(0, save(0))}}),
		timeless(scenario{name: "ends-limit", about: "a sign-in ends the oldest of one that is allowed, and that signs out", signedIn: []bool{false, true}, limit: 1, faults: 1, props: "o",
			clients: []spec{does(0, beginLogin, login), does(1, destroy)}}),
		timeless(scenario{name: "ends-doubt", about: "a sign-in that may not get to end the oldest of one that is allowed", signedIn: []bool{false, true}, limit: 1, faults: 2, props: "o",
			clients: []spec{does(0, beginLogin, login)}}),
		timeless(scenario{name: "ends-lost", about: "the ledger was deleted: RevokeAll, which searches, a sign-out", signedIn: signedIn, lost: true, search: true, faults: 1, props: "o",
			clients: []spec{does(0, revokeAll()), does(0, destroy)}}),
		timeless(scenario{name: "lost-ledger", about: "the ledger was deleted: RevokeAll, which searches, and a sign-in", signedIn: []bool{true, false}, lost: true, search: true, faults: 1, crashes: 1,
			clients: []spec{does(1, loginLater), does(0, revokeAll())}}),
		timeless(scenario{name: "no-ledger", about: "first sign-in of a principal, RevokeAll", signedIn: anonymous, faults: 2, crashes: 1,
			clients: []spec{does(0, beginLogin, login), does(0, revokeAll())}}),
		timeless(scenario{name: "first-two", about: "two first sign-ins of one principal", signedIn: []bool{false, false}, faults: 2,
			clients: []spec{does(0, beginLogin, login), does(1, beginLogin, login)}}),
		{name: "attempts", about: "BeginLogin, RevokeAll, Login, and the ledger's end; time, sweep", signedIn: anonymous,
			tick: 30 * time.Minute, idle: 9, life: 2, maxTime: 4, sweep: sweepLedger,
			clients: []spec{does(0, beginLogin, login), does(0, revokeAll())}},
		{name: "ledger-sweep", about: "a ledger comes to its end while a sign-in adds to it; RevokeAll; time, sweep", signedIn: anonymous, ledger: true, ledgerAge: 4,
			tick: 20 * time.Minute, idle: 9, life: 3, maxTime: 2, sweep: sweepLedger,
			clients: []spec{does(0, beginLogin, login), does(0, revokeAll())}},
		timeless(scenario{name: "renew", about: "two renewals of one token, a save", signedIn: anonymous, faults: 1,
			clients: []spec{does(0, renew), does(0, renew), does(0, save(0))}}),
		timeless(scenario{name: "renew-twice", about: "a renewal, and another with the new token, while the first one renews and saves", signedIn: anonymous, faults: 1, props: "l",
			clients: []spec{does(0, renewOn, renewOn), does(0, renew), does(0, late(0))}}),
		timeless(scenario{name: "renew-strict", about: "a renewal, and a strict one with the new token, while the first one saves", signedIn: anonymous, faults: 1, crashes: 1,
			clients: []spec{does(0, renewOn, renewStrict), does(0, save(0), save(1))}}),
		timeless(scenario{name: "renew-strict-two", about: "two strict renewals of one token, a save", signedIn: anonymous, faults: 1,
			clients: []spec{does(0, renewStrict), does(0, renewStrict), does(0, save(0))}}),
		{name: "renew-crash", about: "renewal, a crash, time: does a token that somebody has still open it?", signedIn: anonymous, faults: 2, crashes: 1,
			tick: 15 * time.Minute, idle: 20, life: 20, maxTime: 3, hour: true, props: "h",
			clients: []spec{does(0, renew), does(0, use)}},
		timeless(scenario{name: "import", costly: true, about: "two requests with a foreign session", foreign: true, faults: 1, crashes: 1,
			clients: []spec{does(0, arrive(0)), does(0, arrive(1))}}),
		timeless(scenario{name: "import-saves", about: "a request with a foreign session, and the old library saves in it", foreign: true, faults: 2, crashes: 1,
			clients: []spec{does(0, arrive(0)), does(0, oldSave(3))}}),
		timeless(scenario{name: "import-use", about: "a request with a foreign session and one with the token that it brings, another with the foreign session", foreign: true,
			clients: []spec{does(0, arrive(0), goOnWith(2)), does(0, arrive(1))}}),
		timeless(scenario{name: "import-phantom", about: "two requests with a foreign session, a node that was cut off with a phantom write", foreign: true, faults: 1, phantoms: true,
			clients: []spec{does(0, arrive(0)), does(0, arriveOnly)}}),
		timeless(scenario{name: "import-old-end", about: "two requests with a foreign session, and somebody signs out at the old library; stores vouch for their answers", foreign: true, vouches: true, certain: true,
			clients: []spec{does(0, arrive(0)), does(0, arrive(1)), does(0, oldEnd)}}),
		timeless(scenario{name: "import-revoke", costly: true, about: "a request with a foreign session, RevokeAll, and another", foreign: true, faults: 1, crashes: 1,
			clients: []spec{does(0, arrive(0)), does(0, revokeAll(), arrive(1))}}),
		timeless(scenario{name: "import-destroy", costly: true, about: "a request with a foreign session and a sign-out with the token that it brings, another with the foreign session", foreign: true, faults: 1, crashes: 1,
			clients: []spec{does(0, arrive(0), leaveWith), does(0, arrive(1))}}),
		{name: "import-late", costly: true, about: "a request with a foreign session and one with the token that it brings, another with the foreign session; time", foreign: true, faults: 1,
			tick: time.Hour, idle: 20, life: 20, maxTime: 1, prompt: true,
			clients: []spec{does(0, arrive(0), goOnWith(2)), does(0, arrive(1))}},
		{name: "import-sweep", about: "a request with a foreign session, which comes to its end, and another; time, sweep", foreign: true, faults: 1,
			tick: time.Hour, idle: 1, life: 1, maxTime: 2, prompt: true, sweep: 1 << 1, props: "x",
			clients: []spec{does(0, arriveOnly), does(0, arriveOnly)}},
	}
}

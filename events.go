package cloakroom

import (
	"context"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is events, which tell applications of their sessions.

// Events are functions that are told what happens to sessions: for an audit
// log, metrics or alarms. Each may be nil. They are called after the fact, in
// the goroutine that did it: they should return soon. A response waits for what it has
// to tell, and so for them: it fails if one writes it. Events of expiry in the store's
// sweep, which nobody is there to see, are not told.
//
// A panic of one is logged, and changes nothing else. One may read the session that
// Manager.Session returns for its context, but must not save it, sign in or renew, as
// that waits for what is being told. While that session is being read Manager.Session
// is an error.
type Events struct {
	// Created: a session was stored for the first time.
	Created func(context.Context, Info)
	// SignedIn: a sign-in succeeded; Info is that of the new session.
	SignedIn func(context.Context, Info)
	// Renewed: the session's secret was replaced.
	Renewed func(context.Context, Info)
	// Ended: a session was ended by this process: signed out, revoked, over the limit,
	// replaced by a sign-in, or found idle by a request. Each is told once, when it is
	// certain that it has ended; RevokeAll and the limit tell of each session that they
	// end. Not told are sessions whose sign-in failed, as nobody was told that they had
	// begun.
	Ended func(context.Context, Ending)
	// SignedOut: all of a principal's sessions, but for exceptions, were ended.
	SignedOut func(ctx context.Context, principal string)
	// LedgerFault: what the store keeps of a principal's sessions was not what this
	// package had written. It has been mended as far as it can be.
	LedgerFault func(ctx context.Context, principal string, what LedgerFault)
	// ClockSkew: a session that was read had been used, or made, at a time that is so
	// far ahead of this machine's clock, which is more than driver.ClockTolerance. So
	// this clock is wrong, or that of the machine that used the session. It goes on, and
	// its idle timeout comes late by that much.
	ClockSkew func(ctx context.Context, id ID, ahead time.Duration)
	// Refused: a token was not accepted, for a reason that may be an attack, by a
	// request or by Manager.Retrieve. The id is zero where the token didn't verify.
	Refused func(context.Context, ID, Refusal)
}

// Ending is the end of a session.
type Ending struct {
	// Info is what was known of the session when it ended: who was signed in to it, and
	// which client used it last. Of a session whose record couldn't be understood it is
	// the ID, and perhaps the Principal. It is what this process had read last, so Seen
	// and Expires may be older than what the store had.
	Info
	Reason EndReason
}

// Refusal says why a token was refused.
type Refusal string

// The refusals.
const (
	// RefusedForged: it is not one of ours, or was made with other keys.
	RefusedForged Refusal = "forged"
	// RefusedAge: the id is too old, before Config.NotBefore, or in the future.
	RefusedAge Refusal = "age"
	// RefusedSecret: well signed, but not the secret of this live session.
	RefusedSecret Refusal = "secret"
	// RefusedAmbiguous: the request carried the tokens of several live sessions. None
	// is used. The id is that of the session made last.
	RefusedAmbiguous Refusal = "ambiguous"
	// RefusedMany: the request carried well-signed tokens of more sessions than are
	// read for one. None is used, and the id is zero.
	RefusedMany Refusal = "many"
)

// LedgerFault says what was wrong with a principal's ledger, which keeps what sessions
// it has.
type LedgerFault string

// The faults.
const (
	// LedgerUnreadable: it couldn't be understood, and was replaced.
	LedgerUnreadable LedgerFault = LedgerFault(protocol.LedgerUnreadable)
	// LedgerForeign: it named a session that is another principal's, and which was
	// left alone.
	LedgerForeign LedgerFault = LedgerFault(protocol.LedgerForeign)
	// LedgerIncomplete: it lacked a session that a search found. RevokeAll has ended
	// it, or RebuildLedger has entered it.
	LedgerIncomplete LedgerFault = LedgerFault(protocol.LedgerIncomplete)
)

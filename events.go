package cloakroom

import (
	"context"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is Events: the functions that an application has called when something
// happens to its sessions.

// Events are functions that are called when something happens to sessions: for an audit
// log, metrics or alarms. Each may be nil. They are called after the fact, in the
// goroutine that did it, several at a time, and should return soon. A response that has
// to tell a token waits for them, and fails if one of them writes it. They aren't called
// for sessions that the store's sweep finds expired.
//
// A panic of one is logged, and changes nothing else. One may read the session that
// Manager.Session returns for its context. It must not save it, sign in or renew, since
// that waits for the event. While that session is being read Manager.Session is an error.
type Events struct {
	// Created: a session was stored for the first time.
	Created func(context.Context, Info)
	// Imported: a session of another library became one of ours (Config.Import).
	Imported func(context.Context, Info)
	// SignedIn: a sign-in succeeded; Info is that of the new session.
	SignedIn func(context.Context, Info)
	// Renewed: the session's secret was replaced.
	Renewed func(context.Context, Info)
	// Ended: this process ended a session: signed out, revoked, over the limit, replaced
	// by a sign-in, or found idle. It is called once for each session, when the end is
	// certain, also for each that RevokeAll or the limit ends. It isn't called for the
	// session of a sign-in that failed, as nobody was told that it had begun.
	Ended func(context.Context, Ending)
	// SignedOut: all sessions of a principal, but for exceptions, were ended
	// (Admin.RevokeAll).
	SignedOut func(ctx context.Context, principal string)
	// LedgerFault: a principal's ledger was not as this package had written it. It has
	// been mended as far as it can be.
	LedgerFault func(ctx context.Context, principal string, what LedgerFault)
	// ClockSkew: a session that was read had been used, or made, at a time ahead of this
	// machine's clock by more than driver.ClockTolerance. So this clock is wrong, or that
	// of the machine that used the session. The session goes on, and its idle timeout
	// comes late by ahead.
	ClockSkew func(ctx context.Context, id ID, ahead time.Duration)
	// ClockApart: the clock of the store's engine was asked, since something may be over,
	// and this machine's is ahead of it by more than driver.ClockTolerance, or behind it
	// (negative). Nobody here knows which is wrong. As long as this clock is ahead nothing
	// is swept, and no session ends because of the time that isn't over by both clocks. It
	// is called when that begins, and once an hour while it lasts.
	ClockApart func(ctx context.Context, ahead time.Duration)
	// Refused: a request or Manager.Retrieve brought a token that was not accepted, for a
	// reason that may be an attack. The id is zero if the token didn't verify.
	Refused func(context.Context, ID, Refusal)
}

// Ending is the end of a session.
type Ending struct {
	// Info is the session's state when it ended: its principal, and the client that used
	// it last. It is the state that this process had read last, so Seen and Expires may
	// be older than in the store. If the record couldn't be understood, Info has the ID,
	// and perhaps the Principal.
	Info
	Reason EndReason
}

// Refusal says why a token was refused.
type Refusal string

// The refusals.
const (
	// RefusedForged: the token is not one of ours, or was made with other keys.
	RefusedForged Refusal = "forged"
	// RefusedAge: the token's id is too old, before Config.NotBefore, or in the future.
	RefusedAge Refusal = "age"
	// RefusedSecret: the token verifies, but its secret is not that of this live session.
	RefusedSecret Refusal = "secret"
	// RefusedAmbiguous: the request carried the tokens of several live sessions. None
	// is used. The id is that of the session made last.
	RefusedAmbiguous Refusal = "ambiguous"
	// RefusedMany: the request carried tokens that verify of more sessions than are read
	// for one request. None is used, and the id is zero.
	RefusedMany Refusal = "many"
	// RefusedForeign: the request brought a foreign cookie (Config.Import) that isn't
	// right. The id is zero.
	RefusedForeign Refusal = "foreign"
	// RefusedForeignRate: with this request's foreign cookie there were so many wrong ones
	// that none is looked at for a while. The id is zero.
	RefusedForeignRate Refusal = "foreign-rate"
)

// LedgerFault names what is wrong with a principal's ledger, the record that lists the
// principal's sessions.
type LedgerFault string

// The faults.
const (
	// LedgerUnreadable: the ledger couldn't be understood, and was replaced.
	LedgerUnreadable LedgerFault = LedgerFault(protocol.LedgerUnreadable)
	// LedgerForeign: the ledger named a session of another principal, which was left
	// alone.
	LedgerForeign LedgerFault = LedgerFault(protocol.LedgerForeign)
	// LedgerIncomplete: the ledger lacked a session that a search found. RevokeAll has
	// ended it, or RebuildLedger has entered it.
	LedgerIncomplete LedgerFault = LedgerFault(protocol.LedgerIncomplete)
)

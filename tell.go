package cloakroom

import (
	"context"
	"log/slog"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is the calling of Events: panics in their functions, and the context that
// they get. What it tells it counts.

// teller calls the functions of Events. Some are called in goroutines in which nobody
// else recovers from a panic, which would end the process: those that read several
// sessions, record activity or sweep. And a panic must not hide that the session was
// changed.
type teller struct {
	*Events
	logger *slog.Logger
	told   told
}

func newTeller(e *Events, logger *slog.Logger) *teller {
	return &teller{Events: e, logger: logger, told: newTold()}
}

func (t *teller) created(ctx context.Context, i Info) {
	t.told.created.Add(1)
	if t.Created != nil {
		defer t.guard(ctx, "Created")
		t.Created(t.context(ctx), i)
	}
}

func (t *teller) imported(ctx context.Context, i Info) {
	t.told.imported.Add(1)
	if t.Imported != nil {
		defer t.guard(ctx, "Imported")
		t.Imported(t.context(ctx), i)
	}
}

func (t *teller) signedIn(ctx context.Context, i Info) {
	t.told.signedIn.Add(1)
	if t.SignedIn != nil {
		defer t.guard(ctx, "SignedIn")
		t.SignedIn(t.context(ctx), i)
	}
}

func (t *teller) renewed(ctx context.Context, i Info) {
	t.told.renewed.Add(1)
	if t.Renewed != nil {
		defer t.guard(ctx, "Renewed")
		t.Renewed(t.context(ctx), i)
	}
}

func (t *teller) ended(ctx context.Context, i Info, why EndReason) {
	t.told.ended.add(why)
	if t.Ended != nil {
		defer t.guard(ctx, "Ended")
		t.Ended(t.context(ctx), Ending{i, why})
	}
}

func (t *teller) signedOut(ctx context.Context, principal string) {
	t.told.signedOut.Add(1)
	if t.SignedOut != nil {
		defer t.guard(ctx, "SignedOut")
		t.SignedOut(t.context(ctx), principal)
	}
}

func (t *teller) ledgerFault(ctx context.Context, principal string, what LedgerFault) {
	if t.LedgerFault != nil {
		defer t.guard(ctx, "LedgerFault")
		t.LedgerFault(t.context(ctx), principal, what)
	}
}

func (t *teller) clockSkew(ctx context.Context, id ID, ahead time.Duration) {
	if t.ClockSkew != nil {
		defer t.guard(ctx, "ClockSkew")
		t.ClockSkew(t.context(ctx), id, ahead)
	}
}

func (t *teller) clockApart(ctx context.Context, ahead time.Duration) {
	if t.ClockApart != nil {
		defer t.guard(ctx, "ClockApart")
		t.ClockApart(t.context(ctx), ahead)
	}
}

func (t *teller) refused(ctx context.Context, id ID, why Refusal) {
	t.told.refused.add(why)
	if t.Refused != nil {
		defer t.guard(ctx, "Refused")
		t.Refused(t.context(ctx), id, why)
	}
}

// guard logs a panic of a function of Events. It is to be deferred.
func (t *teller) guard(ctx context.Context, event string) {
	if p := recover(); p != nil {
		t.logger.ErrorContext(ctx, "cloakroom: a function of Events panicked"+panicSite(), "event", event, "panic", protocol.PanicText(p))
	}
}

// context returns the context that a function of Events gets for an operation. While a
// request's session is being read, a function that asks for it would wait for itself.
func (t *teller) context(ctx context.Context) context.Context {
	if reading, _ := ctx.Value(readingKey{t}).(bool); reading {
		return &readingContext{ctx, t}
	}
	return ctx
}

// readingKey is the key under which a context says whether the session of a request,
// whose events a teller tells, is being read.
type readingKey struct{ t *teller }

// readingContext is the context of events while a request's session is being read. In the
// place of the request it has itself.
type readingContext struct {
	context.Context //nolint:containedctx // it is a context
	t               *teller
}

// Value implements context.Context.
func (c *readingContext) Value(key any) any {
	if k, ok := key.(interface{ isOf(t *teller) bool }); ok && k.isOf(c.t) {
		return c
	}
	return c.Context.Value(key)
}

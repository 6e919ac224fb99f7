package console

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom"
)

// This file is acts: what operators do, who did it and why.

// Action is a kind of act.
type Action string

// The actions.
const (
	ActEnd     Action = "end"      // one session was to be ended
	ActEndAll  Action = "end-all"  // all that a filter selects
	ActSignOut Action = "sign-out" // a principal, everywhere
	ActReveal  Action = "reveal"   // a session's values were to be shown
	ActStop    Action = "stop"     // a job was to be stopped; it has no reason
)

// Result is what came of an act.
type Result string

// The results.
const (
	ResultBegun     Result = "begun"     // it is about to be done
	ResultDone      Result = "done"      // all of it was done
	ResultPartial   Result = "partial"   // some of it was done, and more may be
	ResultStopped   Result = "stopped"   // somebody stopped it, or the console was closed
	ResultFailed    Result = "failed"    // nothing was done
	ResultUncertain Result = "uncertain" // it may be done
)

// Act is what an operator did. One that ends sessions is told twice: before, with
// ResultBegun, and when its result is known. If that is never told, Config.Audit refused the
// act, or the process ended meanwhile, and all, some or none of it was done. ActReveal and ActStop are told before,
// with ResultBegun, and not again: nobody learns whether values arrived, and what came of a
// job that was to be stopped is the result of that job's act.
type Act struct {
	At        time.Time
	Actor     string // Operator.Name
	Action    Action
	Reason    string // as the operator gave it
	App       string
	ID        cloakroom.ID // of the session, if it is about one
	Principal string       // who is signed out; of one session, whose it was
	Filter    string       // what was selected, as in the address of the page
	Job       string       // the job's name in the address of its page
	Count     int64        // sessions: at first those that are selected, then those that were ended, -1 if that isn't known
	Result    Result
	Err       error // with ResultFailed, ResultPartial and ResultUncertain; encoding/json writes no errors: keep its text
}

// act tells of an act. After an error it must not begin: nothing is done that isn't told.
// When it is over, the error has been logged. A panic of the Logger is an error too: it
// would end the process where a job tells its result.
func (c *Console) act(ctx context.Context, a Act) (err error) {
	untold := &complaint{http.StatusServiceUnavailable, "It can't be told", "What operators do is kept by the application, which couldn't do that now. Its log says why. Nothing was done."}
	defer func() {
		if recover() != nil { // of what takes the log, so it can't be logged
			err = untold
		}
	}()
	a.At = c.config.Now()
	attrs := []any{"action", string(a.Action), "actor", a.Actor, "reason", a.Reason, "app", a.App, "result", string(a.Result), "count", a.Count}
	if !a.ID.IsZero() {
		attrs = append(attrs, "session", a.ID)
	}
	for _, s := range [][2]string{{"principal", a.Principal}, {"filter", a.Filter}, {"job", a.Job}} {
		if s[1] != "" {
			attrs = append(attrs, s[0], s[1])
		}
	}
	level := slog.LevelInfo
	if a.Err != nil {
		level, attrs = slog.LevelWarn, append(attrs, "error", a.Err)
	}
	c.config.Logger.Log(ctx, level, "cloakroom console: an operator acted", attrs...)
	if c.config.Audit == nil {
		return nil
	}
	if err := c.audit(ctx, a); err != nil {
		c.config.Logger.ErrorContext(ctx, "cloakroom console: Config.Audit didn't take an act", "action", string(a.Action), "actor", a.Actor, "result", string(a.Result), "error", err)
		return untold
	}
	return nil
}

// auditWithin bounds the time of Config.Audit, for which jobs wait, and Close for them.
const auditWithin = 10 * time.Second

// audit calls Config.Audit. A panic of it is an error.
func (c *Console) audit(ctx context.Context, a Act) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panicked: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, auditWithin)
	defer cancel()
	return c.config.Audit(ctx, a)
}

// reasonOf returns the reason that an operator gave.
func reasonOf(v *visit) (string, error) {
	const most = 200
	reason := strings.TrimSpace(v.PostForm.Get("reason"))
	at := strings.IndexFunc(reason, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) })
	switch {
	case reason == "":
		return "", bad("Give a reason: it is logged with what is done. Nothing was done.")
	case !utf8.ValidString(reason):
		return "", bad("The reason isn't UTF-8. Nothing was done.")
	case at >= 0:
		r, _ := utf8.DecodeRuneInString(reason[at:])
		return "", bad(fmt.Sprintf("The reason has the character %U, which isn't seen or changes how others are: take it out. Nothing was done.", r))
	case utf8.RuneCountInString(reason) > most:
		return "", bad(fmt.Sprintf("The reason is longer than %d characters. Nothing was done.", most))
	}
	return reason, nil
}

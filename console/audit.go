package console

import (
	"context"
	"fmt"
	"log/slog"
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

// Act is what an operator did. One that takes its time is told twice: when it begins, with
// the Result "begun", and when it is over.
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
	Count     int64        // sessions: at first those that are selected, then those that were ended
	Result    string       // begun, done, partial, stopped, failed, or uncertain: it may be done
	Err       error        // with failed, partial and uncertain
}

// act tells of an act.
func (c *Console) act(ctx context.Context, a Act) {
	a.At = c.config.Now()
	attrs := []any{"action", string(a.Action), "actor", a.Actor, "reason", a.Reason, "app", a.App, "result", a.Result, "count", a.Count}
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
		return
	}
	defer func() {
		if p := recover(); p != nil {
			c.config.Logger.ErrorContext(ctx, "cloakroom console: Config.Audit panicked", "panic", fmt.Sprint(p))
		}
	}()
	c.config.Audit(ctx, a)
}

// reasonOf returns the reason that an operator gave.
func reasonOf(v *visit) (string, error) {
	const most = 200
	reason := strings.TrimSpace(v.PostForm.Get("reason"))
	switch {
	case reason == "":
		return "", bad("Give a reason: it is kept with what is done. Nothing was done.")
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl):
		return "", bad("The reason has characters that can't be kept. Nothing was done.")
	case utf8.RuneCountInString(reason) > most:
		return "", bad(fmt.Sprintf("The reason is longer than %d characters. Nothing was done.", most))
	}
	return reason, nil
}

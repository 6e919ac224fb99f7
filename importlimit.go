package cloakroom

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the limit of refused foreign cookies. Some libraries' cookies have so
// short a signature that somebody might guess one. Beyond a rate of wrong ones no foreign
// cookie is looked at for a while, and requests with one are 503. To treat them as
// strangers' would let whoever sends wrong ones sign everybody out.

const (
	// importRefusals is the number of refusals in importWindow beyond which imports pause.
	importRefusals = 1000
	importWindow   = 10 * time.Second
	// importPause is how long they pause.
	importPause = 10 * time.Second
)

// importLimit counts the foreign cookies that were refused.
type importLimit struct {
	mu     sync.Mutex
	since  time.Time // when the window began
	n      int       // refusals in it
	pauses time.Time // until then
	total  int64     // the number of pauses
	logged time.Time // when refusals were last logged
}

// paused reports whether foreign cookies aren't looked at now.
func (l *importLimit) paused(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Before(l.pauses)
}

// refuse counts a refusal. It reports whether a pause begins with it, and whether a line
// in the log is due, which is once a minute: wrong keys would make strangers of all
// visitors, without another sign of it.
func (l *importLimit) refuse(now time.Time) (pause, line bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := now.Sub(l.logged); d < 0 || d >= time.Minute {
		l.logged, line = now, true
	}
	if d := now.Sub(l.since); d < 0 || d >= importWindow {
		l.since, l.n = now, 0
	}
	l.n++
	if l.n <= importRefusals || now.Before(l.pauses) {
		return false, line
	}
	l.n, l.pauses = 0, now.Add(importPause)
	l.total++
	return true, line
}

// errImportPaused is the error of a request whose foreign cookie isn't looked at.
func errImportPaused() error {
	return fmt.Errorf("cloakroom: foreign cookies aren't looked at for up to %v, as too many wrong ones came: %w", importPause, ErrUnavailable)
}

// refuseForeign tells of a foreign cookie that was refused.
func (m *Manager) refuseForeign(ctx context.Context) {
	m.events.refused(ctx, ID{}, RefusedForeign)
	pause, line := m.imports.refuse(m.now())
	if line {
		m.config.Logger.WarnContext(ctx, "cloakroom: a foreign cookie that is wrong was refused, and its visitor is a stranger; further ones are logged once a minute", "importer", m.config.Import.From.Name())
	}
	if pause {
		m.config.Logger.ErrorContext(ctx, "cloakroom: too many foreign cookies that are wrong: somebody may be guessing. Requests with one are answered 503 for a while", "importer", m.config.Import.From.Name(), "pause", importPause)
		m.events.refused(ctx, ID{}, RefusedForeignRate)
	}
}

// problems returns the problem that imports paused, if they did.
func (l *importLimit) problems() []driver.Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total == 0 {
		return nil
	}
	return []driver.Problem{{
		Code: "import-refusals", Severity: driver.SeverityWarn,
		Meaning: fmt.Sprintf("Since this process began %d times more than %d wrong foreign cookies came within %v: somebody may be guessing. Requests with a foreign cookie were 503 for %v each time.", l.total, importRefusals, importWindow, importPause),
		Remedy:  "Find out who sends them, and block that; Events.Refused gets each, with the request in its context.",
	}}
}

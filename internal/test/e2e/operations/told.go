package main

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
)

// This file is told: what the servers log.

// told gathers log lines, without what is different in each run.
type told struct {
	hide []string // names that become "session" and "ENGINE"

	mu    sync.Mutex
	lines []line
}

// line is one that differs from those before.
type line struct {
	level slog.Level
	text  string
}

func (l line) String() string { return l.level.String() + " " + l.text }

func (t *told) logger() *slog.Logger { return slog.New((*toldHandler)(t)) }

// since returns the lines from the i-th on.
func (t *told) since(i int) []line {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]line(nil), t.lines[i:]...)
}

// forget has lines count anew that were there before.
func (t *told) forget() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = nil
	return 0
}

type toldHandler told

var (
	idOf     = regexp.MustCompile(`\bA[A-Za-z0-9_-]{21}\b`)
	ledgerOf = regexp.MustCompile(`((?:cloakroom|elasticstore): (?:\w+ )?)[A-Za-z0-9_-]{22}\b`) // its id begins with anything
	timeOf   = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`)
	hostOf   = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	dayOf    = regexp.MustCompile(`\d{4}\.\d\d\.\d\d`)
	numberOf = regexp.MustCompile(`\b\d[\d.]{2,}\b|\b\d+(\.\d+)?(ms|s|m)\b|\d\d+`)
)

func (h *toldHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *toldHandler) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "error", "index", "err", "cause", "problem", "meaning":
			text += fmt.Sprintf("; %s: %v", a.Key, a.Value)
		}
		return true
	})
	if len(h.hide) > 0 {
		text = strings.ReplaceAll(text, h.hide[0], "session")
		for _, name := range h.hide[1:] {
			text = strings.ReplaceAll(text, name, "ENGINE")
		}
	}
	text = dayOf.ReplaceAllString(text, "<day>")
	text = idOf.ReplaceAllString(text, "<id>")
	text = ledgerOf.ReplaceAllString(text, "$1<id>")
	text = timeOf.ReplaceAllString(text, "<time>")
	text = hostOf.ReplaceAllString(text, "ENGINE")
	l := line{r.Level, strings.Join(strings.Fields(text), " ")}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, have := range h.lines {
		if have.level == l.level && alike(have.text, l.text) {
			return nil
		}
	}
	h.lines = append(h.lines, l)
	return nil
}

// alike reports whether two texts say the same of two moments.
func alike(a, b string) bool {
	cut := func(s string) string {
		s = numberOf.ReplaceAllString(s, "#")
		return s[:min(len(s), 200)]
	}
	return cut(a) == cut(b)
}

func (h *toldHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *toldHandler) WithGroup(string) slog.Handler      { return h }

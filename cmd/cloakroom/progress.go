package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// This file is progress: a line on the error output that is written over where that is a
// terminal, and else a line now and then.

// How often progress is told. What ends before progressFirst tells none.
const (
	progressFirst = 500 * time.Millisecond
	progressDrawn = 200 * time.Millisecond // at a terminal
	progressLines = 30 * time.Second       // elsewhere
)

// lineOnError is the line that is drawn at a terminal, and is to be cleared before
// anything else is written.
type lineOnError struct {
	mu    sync.Mutex
	drawn bool
}

// eraseLine has a terminal go to the beginning of the line, and empty it.
const eraseLine = "\r\x1b[K"

// Between these a terminal cuts what is wider than it is: of a line that it has broken, only
// the last part would be written over.
const cutLine, breakLine = "\x1b[?7l", "\x1b[?7h"

func (l *lineOnError) clear(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.drawn {
		_, _ = io.WriteString(w, eraseLine)
		l.drawn = false
	}
}

func (l *lineOnError) draw(w io.Writer, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(w, eraseLine+cutLine+text+breakLine)
	l.drawn = true
}

// progress is work under way.
type progress struct {
	t      *terminal
	what   string // such as "sessions read"
	total  int64  // 0: it isn't known; -1: nothing is counted
	begun  time.Time
	done   atomic.Int64
	ending chan struct{}
	ended  chan struct{}
}

// progress begins to tell how far some work is. The caller calls stop at its end.
func (t *terminal) progress(what string, total int64) *progress {
	p := &progress{t: t, what: what, total: total, begun: time.Now(), ending: make(chan struct{}), ended: make(chan struct{})}
	if t.quiet {
		close(p.ended)
		return p
	}
	go p.run(isTerminal(t.stderr))
	return p
}

// add counts work that is done.
func (p *progress) add(n int64) { p.done.Add(n) }

// stop ends the telling.
func (p *progress) stop() {
	close(p.ending)
	<-p.ended
	p.t.line.clear(p.t.stderr)
}

func (p *progress) run(drawn bool) {
	defer close(p.ended)
	wait, every := progressFirst, progressDrawn
	if !drawn {
		wait, every = progressLines, progressLines
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-p.ending:
			return
		case <-timer.C:
			timer.Reset(every)
		}
		if text := p.text(time.Since(p.begun)); drawn {
			p.t.line.draw(p.t.stderr, text)
		} else {
			p.t.warn("%s", text)
		}
	}
}

// text tells how far the work is after a time.
func (p *progress) text(after time.Duration) string {
	if p.total < 0 {
		return fmt.Sprintf("%s, for %s", p.what, after.Round(time.Second))
	}
	done := p.done.Load()
	rate := float64(done) / max(after.Seconds(), 0.001)
	text := fmt.Sprintf("%s %s", number(done), p.what)
	if p.total > 0 {
		text = fmt.Sprintf("%s of %s %s, %d %%", number(done), number(p.total), p.what, min(100, done*100/p.total))
	}
	text += fmt.Sprintf(", %s/s", number(int64(rate)))
	if p.total > done && done > 0 {
		left := time.Duration(float64(p.total-done) / rate * float64(time.Second))
		text += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	return text
}

// number writes a number with commas between its thousands.
func number(n int64) string {
	s := fmt.Sprint(n)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	var parts []string
	for len(s) > 3 {
		parts = append([]string{s[len(s)-3:]}, parts...)
		s = s[:len(s)-3]
	}
	return sign + strings.Join(append([]string{s}, parts...), ",")
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is a command's input and outputs: what it tells people and programs, what it
// asks, and its end.

// terminal is a command's arguments, input and outputs, and the context that ends it.
type terminal struct {
	ctx     context.Context //nolint:containedctx // kong hands commands one value
	args    []string
	command string // its names, such as "ledger check"
	stdin   io.Reader
	stdout  *output
	stderr  io.Writer
	json    bool // a program reads the answers
	quiet   bool // shows no progress
	own     any  // the command's members of the result
	line    lineOnError
}

// output is the standard output. It remembers the first error, since an answer of which a
// part is missing must not look whole.
type output struct {
	mu  sync.Mutex
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.w.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

func (o *output) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// say tells people something. An error of writing is told at the end.
func (t *terminal) say(format string, args ...any) { _ = t.print(format, args...) }

// print is say for what must be told before something is done.
func (t *terminal) print(format string, args ...any) error {
	t.line.clear(t.stderr)
	_, err := fmt.Fprintf(t.stdout, format+"\n", args...)
	return err
}

// warn tells people of a problem.
func (t *terminal) warn(format string, args ...any) {
	t.line.clear(t.stderr)
	_, _ = fmt.Fprintf(t.stderr, format+"\n", args...)
}

// note tells something beside the answer: people on the error output, programs in an
// object.
func (t *terminal) note(format string, args ...any) {
	text := hide(t.args, fmt.Sprintf(format, args...))
	if t.json {
		t.emit(noteLine{"note", text})
		return
	}
	t.warn("Note: %s", human.Printable(text))
}

// logger returns a logger to the error output.
func (t *terminal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(warnWriter{t}, nil))
}

// warnings returns a logger for commands that end soon: it tells what is wrong alone.
func (t *terminal) warnings() *slog.Logger {
	return slog.New(slog.NewTextHandler(warnWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// warnWriter writes beside the progress.
type warnWriter struct{ t *terminal }

func (w warnWriter) Write(p []byte) (int, error) {
	w.t.line.clear(w.t.stderr)
	return w.t.stderr.Write(p)
}

// result keeps the command's members of the result, for end.
func (t *terminal) result(own any) { t.own = own }

// end tells a command's error, and programs the result. It returns the exit code.
func (t *terminal) end(err error) int {
	t.line.clear(t.stderr)
	if writing := t.stdout.failed(); writing != nil && !t.serves() { // which goes on without a listener
		err = errors.Join(err, fmt.Errorf("writing the answer: %w", writing))
	}
	code := exitCode(t.ctx, err)
	if code == exitInterrupted && errors.Is(err, context.Canceled) && t.serves() { // stopped before it began
		code, err = exitOK, nil
	}
	if err != nil && !isTold(err) {
		t.tell(code, err)
	}
	if t.json {
		t.emitResult(code)
	}
	return code
}

// serves reports whether the command serves pages until it is stopped.
func (t *terminal) serves() bool { return t.command == "demo" || t.command == "console" }

// tell tells a command's error.
func (t *terminal) tell(code int, err error) {
	hint := ""
	if u, ok := errors.AsType[usageError](err); ok {
		hint = u.hint
	}
	if code == exitInterrupted && errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	if t.json {
		for _, l := range t.errorLines(err) {
			l.Hint = hint
			t.emit(l)
		}
		for _, w := range t.warningLines(dancerWarnings(err)) {
			t.emit(w)
		}
		return
	}
	t.warn("cloakroom: %s", human.Printable(hide(t.args, failureText(err))))
	if hint != "" {
		t.warn("%s", hint)
	}
}

// interactive reports whether somebody can answer at the standard input.
func (t *terminal) interactive() bool { return isTerminal(t.stdin) }

// isTerminal reports whether a file is a terminal, as far as that can be told on all
// systems: a device of characters that isn't the null device.
func isTerminal(file any) bool {
	f, ok := file.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// ask asks a question on the error output, as the standard output may be for a program. It
// returns the answer. undone says what hasn't happened, such as "nothing was deleted".
func (t *terminal) ask(question, undone string) (string, error) {
	t.line.clear(t.stderr)
	_, _ = fmt.Fprint(t.stderr, human.Printable(question)+" ")
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	select {
	case l := <-readLines(ctx, t.stdin):
		if l.err != nil {
			return "", fmt.Errorf("%s: there was no answer", undone)
		}
		return strings.TrimSpace(l.text), nil
	case <-t.ctx.Done():
		return "", fmt.Errorf("%s: stopped before an answer", undone)
	}
}

// confirm asks for a yes. All else is an error.
func (t *terminal) confirm(question, undone string) error {
	answer, err := t.ask(question+" [y/N]", undone)
	if err != nil {
		return err
	}
	if answer = strings.ToLower(answer); answer == "y" || answer == "yes" {
		return nil
	}
	return fmt.Errorf("%s: the answer wasn't yes", undone)
}

// asker is the flags of commands that end or delete something.
type asker struct {
	DryRun bool `name:"dry-run" help:"Tell what would be done, and do nothing."`
	Yes    bool `help:"Do it without asking."`
}

// ready returns an error if the command would have to ask and nobody can answer.
func (a asker) ready(t *terminal) error {
	if a.Yes || a.DryRun || t.interactive() {
		return nil
	}
	return misuse("there is no terminal to ask at: give --yes, or --dry-run to see what would be done")
}

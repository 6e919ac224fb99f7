package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/keyfile"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/human"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is "cloakroom token inspect".

// tokenCommands is "cloakroom token".
type tokenCommands struct {
	Inspect tokenInspectCommand `cmd:"" help:"Tell the parts of a token, which key signed it, and why it is refused."`
}

type tokenInspectCommand struct {
	File        string   `placeholder:"FILE" help:"A file with the token in it. Default: the standard input."`
	KeyFile     string   `env:"CLOAKROOM_KEY_FILE" placeholder:"FILE" help:"The application's file of keys. Without it the parts are told alone."`
	App         string   `env:"CLOAKROOM_APP" default:"session" placeholder:"NAME" help:"Config.App. Default: session."`
	MaxLifetime duration `default:"30d" placeholder:"TIME" help:"Config.MaxLifetime, after which tokens are refused. Default: 30d, as with the zero Config."`
}

// Help implements kong.HelpProvider.
func (*tokenInspectCommand) Help() string {
	return `The token is read from the standard input or a file, since arguments can be seen by others. A line of a header will do as well, such as "Cookie: __Host-Http-session=..." or "Authorization: Bearer ...". The token is never shown. No store is asked: whether the session lives, "cloakroom show" tells by the id.

Exit code 4 says that the token is refused.

Examples:

    cloakroom token inspect --key-file session.keys < token
    cloakroom token inspect --key-file session.keys --app demo --json < token`
}

// tokenLine is a token, in JSON.
type tokenLine struct {
	Type      string     `json:"type"` // token
	ID        string     `json:"id,omitempty"`
	Made      *time.Time `json:"made,omitempty"`
	Layout    string     `json:"layout,omitempty"`
	Hint      string     `json:"hint,omitempty"`
	Key       string     `json:"key,omitempty"` // the hint of the key that signed, which verified it
	Position  int        `json:"position,omitempty"`
	Keys      int        `json:"keys,omitempty"` // in the file
	Transport string     `json:"transport,omitempty"`
	Checked   bool       `json:"checked"` // there were keys to check with
	Valid     bool       `json:"valid"`
	Reason    string     `json:"reason,omitempty"` // why not
}

// Run tells the parts of a token.
func (c *tokenInspectCommand) Run(t *terminal) error {
	text, err := c.read(t)
	if err != nil {
		return err
	}
	var keys *keyfile.File
	if c.KeyFile != "" {
		if keys, err = keyfile.Read(c.KeyFile); err != nil {
			return err
		}
	}
	l := c.inspect(text, keys, time.Now())
	if t.json {
		t.emit(l)
	} else {
		sayToken(t, l, c.App)
	}
	if l.Reason != "" {
		return told(exitFindings)
	}
	return nil
}

// read returns the token.
func (c *tokenInspectCommand) read(t *terminal) (string, error) {
	in := t.stdin
	if c.File != "" {
		f, err := os.Open(c.File)
		if err != nil {
			return "", fmt.Errorf("--file: %w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	select {
	case l := <-readLines(t.ctx, in):
		switch {
		case errors.Is(l.err, io.EOF):
			return "", misuse("there is no token on the standard input, or in the file")
		case l.err != nil:
			return "", fmt.Errorf("reading the token: %w", l.err)
		}
		return tokenIn(l.text), nil
	case <-t.ctx.Done():
		return "", t.ctx.Err()
	}
}

// tokenIn returns the token in a line of a header, or the line itself.
func tokenIn(line string) string {
	line = strings.TrimSpace(line)
	if i := strings.LastIndexAny(line, " :"); i >= 0 && !strings.Contains(line, ";") {
		line = line[i+1:]
	}
	for part := range strings.SplitSeq(line, ";") {
		_, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if value = strings.Trim(value, `"`); ok && len(value) == token.TextLen {
			return value
		}
	}
	if _, value, ok := strings.Cut(line, "="); ok {
		return value
	}
	return line
}

// inspect judges a token as a Manager does before it asks the store.
func (c *tokenInspectCommand) inspect(text string, keys *keyfile.File, now time.Time) tokenLine {
	l := tokenLine{Type: "token"}
	parts, err := token.Inspect(text)
	if err != nil {
		l.Reason = "it isn't a token: " + err.Error()
		return l
	}
	id := cloakroom.ID(parts.ID)
	l.ID, l.Hint, l.Layout = id.String(), fmt.Sprintf("%02x", parts.Hint), id.Layout().String()
	made := id.Time()
	if !made.IsZero() {
		l.Made = &made
	}
	if keys == nil {
		return l
	}
	l.Checked, l.Keys = true, len(keys.Keys)
	if err := c.verify(&l, text, keys); err != nil {
		l.Reason = err.Error()
		return l
	}
	switch age := now.Sub(made); {
	case made.IsZero(): // an imported session's id doesn't tell
	case age < -driver.ClockTolerance:
		l.Reason = "it is from the future: the clock of the machine that made it, or of this one, is wrong"
	case age >= time.Duration(c.MaxLifetime):
		l.Reason = fmt.Sprintf("it is too old: it was made %s ago, and sessions last %s at most (--max-lifetime)", human.Ago(age), span(time.Duration(c.MaxLifetime)))
	}
	l.Valid = l.Reason == ""
	return l
}

// verify notes which key signed the token. The error says why none did.
func (c *tokenInspectCommand) verify(l *tokenLine, text string, keys *keyfile.File) error {
	hinted := false
	for i, k := range keys.Keys {
		ring, err := k.Ring()
		if err != nil {
			return err
		}
		hinted = hinted || k.Name() == l.Hint
		for _, transport := range []string{"cookie", "bearer"} {
			if _, ok := ring.Parse(token.NewScope(c.App, transport), text); ok {
				l.Key, l.Position, l.Transport = k.Name(), i+1, transport
				return nil
			}
		}
	}
	if !hinted {
		return fmt.Errorf("none of the file's keys has the hint %s: another key signed it", l.Hint)
	}
	return fmt.Errorf("the signature is wrong: it was made for another app than %q, or by another key with the hint %s, or the token was changed", c.App, l.Hint)
}

// sayToken tells it to people.
func sayToken(t *terminal, l tokenLine, app string) {
	say := func(name, format string, args ...any) {
		t.say("%-8s %s", name, human.Printable(fmt.Sprintf(format, args...)))
	}
	if l.ID != "" {
		if l.Made != nil {
			say("Id:", "%s, made %s, %s ago", l.ID, moment(*l.Made), human.Ago(time.Since(*l.Made)))
		} else {
			say("Id:", "%s, of layout %s, which tells no time", l.ID, l.Layout)
		}
		say("Hint:", "%s", l.Hint)
	}
	switch {
	case l.Key != "" && l.Position > 1:
		say("Signed:", "by key %s, the file's key %d of %d, for the app %q, as a %s; a response signs it anew", l.Key, l.Position, l.Keys, app, l.Transport)
	case l.Key != "":
		say("Signed:", "by key %s, the file's key %d of %d, for the app %q, as a %s", l.Key, l.Position, l.Keys, app, l.Transport)
	}
	switch {
	case l.Reason != "":
		say("Valid:", "no: %s", l.Reason)
	case !l.Checked:
		say("Valid:", "not checked: --key-file names the keys")
	default:
		of := ""
		if app != "session" {
			of = "--app " + app + " "
		}
		say("Valid:", "yes; whether the session lives, the store knows: cloakroom show %s%s", of, l.ID)
	}
}

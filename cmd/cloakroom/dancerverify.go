package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom/dancer"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is "cloakroom dancer verify".

type dancerVerifyCommand struct {
	Length      int    `placeholder:"N" help:"signing.length. Default: 10."`
	SecretFile  string `placeholder:"FILE" help:"A file with signing.secret in it, in UTF-8. One line end at its end isn't part of the secret. Default: the secret is in $$CLOAKROOM_DANCER_SECRET."`
	Config      string `placeholder:"FILE" help:"A config.yml that has both, in place of --length and the secret."`
	Environment string `placeholder:"NAME" help:"The environment of --config. Default: as Dancer chooses it."`
}

// secretVariable is the environment variable that has signing.secret.
const secretVariable = "CLOAKROOM_DANCER_SECRET"

// Help implements kong.HelpProvider.
func (*dancerVerifyCommand) Help() string {
	return `A value is percent-encoded, as browsers send it, or plain. Each line is answered by one: the id of the session that the value names, or why it is refused. Neither values nor the secret are shown.

Exit codes: 0 all values are verified; 1 one is refused, an empty line too, or there is no usable secret; 2 the command line is wrong, and nothing is answered; 130 it was interrupted.

Examples:

    cloakroom dancer verify --config config.yml < values
    CLOAKROOM_DANCER_SECRET=... cloakroom dancer verify --json < values`
}

// Run verifies the values.
func (c *dancerVerifyCommand) Run(t *terminal, flags *kong.Context) error {
	signer, note, err := c.signer(given(flags))
	if _, ok := errors.AsType[usageError](err); ok {
		return err
	}
	var out verifyOutput = &verifyText{t: t, w: bufio.NewWriter(t.stdout)}
	if t.json {
		out = &verifyJSON{t: t, w: bufio.NewWriter(t.stdout)}
	}
	if err != nil {
		return out.end(verifyResult{}, err)
	}
	if note != "" {
		out.note(note)
	}
	result := verifyResult{}
	lines := readLines(t.ctx, t.stdin)
	for {
		var l inputLine
		select {
		case l = <-lines:
		default: // no line is there yet: show the answers so far
			if err := out.flush(); err != nil {
				return fmt.Errorf("writing the answers: %w", err)
			}
			select {
			case l = <-lines:
			case <-t.ctx.Done():
				return out.end(result, errors.New("stopped before the end of the standard input"))
			}
		}
		switch {
		case errors.Is(l.err, io.EOF):
			return out.end(result, nil)
		case l.err != nil:
			return out.end(result, fmt.Errorf("reading the standard input: %w", l.err))
		}
		n := result.Verified + result.Refused + 1
		id, reason := verify(signer, l)
		if reason == "" {
			result.Verified++
		} else {
			result.Refused++
		}
		if err := out.value(n, id, reason); err != nil {
			return fmt.Errorf("writing the answers: %w", err)
		}
	}
}

// signer makes the Signer. The note is for the user, about the secret.
func (c *dancerVerifyCommand) signer(flags []string) (s *dancer.Signer, note string, err error) {
	usage := func(format string, args ...any) (*dancer.Signer, string, error) {
		return nil, "", usageError{error: fmt.Errorf(format, args...)}
	}
	has := func(name string) bool { return slices.Contains(flags, name) }
	if has("config") {
		if has("length") || has("secret-file") {
			return usage("--config has the length and the secret: leave --length and --secret-file out")
		}
		if c.Config == "" {
			return usage("--config: the path of the config.yml is missing")
		}
		config, err := loadDancer(c.Config, c.Environment)
		if err != nil {
			return nil, "", err
		}
		return config.Signer(), "", nil
	}
	switch {
	case has("secret-file") && c.SecretFile == "":
		return usage("--secret-file: the path of the file is missing")
	case has("environment"):
		return usage("--environment is that of --config, which is missing")
	case has("length") && (c.Length < 1 || c.Length > dancer.MaxLength):
		return usage("--length: %d is no length: give that of signing.length, 1 to %d", c.Length, dancer.MaxLength)
	}
	secret := os.Getenv(secretVariable)
	switch {
	case has("secret-file"):
		if secret, note, err = readSecret(c.SecretFile); err != nil {
			return nil, "", err
		}
	case secret == "":
		return usage("the secret is missing: give --secret-file or --config, or set $%s", secretVariable)
	}
	s, err = dancer.NewSigner(secret, c.Length)
	return s, note, err
}

// readSecret reads a secret's file. The note tells if it removed a line end.
func readSecret(path string) (secret, note string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", "", fmt.Errorf("--secret-file: %w", err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxLine+1))
	switch {
	case err != nil:
		return "", "", fmt.Errorf("--secret-file: %w", err)
	case len(text) > maxLine:
		return "", "", fmt.Errorf("--secret-file: %q has more than %d bytes: that is no secret", path, maxLine)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // some editors of Windows put it there
	if secret = withoutLineEnd(string(text)); len(secret) < len(text) {
		note = fmt.Sprintf("%q ends with a line end, which isn't taken for part of the secret.", path)
	}
	return secret, note, nil
}

// verify returns the id of a line's value, or the reason why there is none. The reason
// holds nothing of the value, which may open a session of the old application.
func verify(s *dancer.Signer, l inputLine) (id, reason string) {
	n := s.Length()
	if l.long {
		return "", fmt.Sprintf("it is longer than %d bytes, which no cookie is", maxLine)
	}
	value := dancer.DecodeValue(l.text)
	id, err := s.Verify(value)
	if err != nil && value != l.text {
		id, err = s.Verify(l.text) // a plain value: an id may look encoded
	}
	switch {
	case err == nil:
		return id, ""
	case l.text == "":
		return "", "it is empty"
	case strings.ContainsAny(strings.TrimSpace(l.text), "; "):
		return "", "it has a ; or space inside: give the value alone"
	case len(value) <= 2*n:
		return "", fmt.Sprintf("it is too short: hash and salt have %d characters each, and an id follows", n)
	case strings.Trim(value[:n], "0123456789abcdef") != "":
		return "", fmt.Sprintf("it doesn't begin with a hash, which is %d hexadecimal digits in lower case: give the value alone", n)
	}
	return "", "the signature is wrong: it was made with another secret or length, or the value was changed"
}

// verifyOutput takes the answers.
type verifyOutput interface {
	note(text string)
	value(line int, id, reason string) error
	flush() error
	// end tells the result, and an error that ended the command early. It returns the
	// command's error.
	end(result verifyResult, err error) error
}

// verifyResult is the command's result.
type verifyResult struct {
	Verified int `json:"verified"`
	Refused  int `json:"refused"`
}

// verifyText tells the answers to people.
type verifyText struct {
	t *terminal
	w *bufio.Writer
}

func (o *verifyText) note(text string) { o.t.warn("Note: %s", human.Printable(hide(o.t.args, text))) }

func (o *verifyText) value(line int, id, reason string) (err error) {
	if reason != "" {
		_, err = fmt.Fprintf(o.w, "line %d: refused: %s\n", line, reason)
	} else {
		_, err = fmt.Fprintf(o.w, "line %d: id %q\n", line, id)
	}
	return err
}

func (o *verifyText) flush() error { return o.w.Flush() }

func (o *verifyText) end(r verifyResult, err error) error {
	if flushed := o.w.Flush(); flushed != nil {
		return errors.Join(fmt.Errorf("writing the answers: %w", flushed), err)
	}
	switch all := r.Verified + r.Refused; {
	case err != nil && all == 0:
		return err
	case err != nil:
		return fmt.Errorf("after %d verified and %d refused: %w", r.Verified, r.Refused, err)
	case all == 0:
		o.t.warn("Note: no value came on the standard input.")
	case r.Refused > 0:
		return fmt.Errorf("%d of %d values are refused", r.Refused, all)
	}
	return nil
}

// verifyJSON tells the answers to programs.
type verifyJSON struct {
	t *terminal
	w *bufio.Writer
}

// valueLine is the answer to one value. An id that isn't UTF-8 is in IDBytes.
type valueLine struct {
	Type    string `json:"type"` // value
	Line    int    `json:"line"`
	OK      bool   `json:"ok"`
	ID      string `json:"id,omitempty"`
	IDBytes []byte `json:"idBase64,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

func (o *verifyJSON) emit(v any) error {
	line, err := jsonLine(v)
	if err == nil {
		_, err = o.w.Write(line)
	}
	return err
}

func (o *verifyJSON) note(text string) { _ = o.emit(noteLine{"note", hide(o.t.args, text)}) } // a later write fails as well

func (o *verifyJSON) value(line int, id, reason string) error {
	v := valueLine{Type: "value", Line: line, OK: reason == "", ID: id, Reason: reason}
	if !utf8.ValidString(id) {
		v.ID, v.IDBytes = "", []byte(id)
	}
	return o.emit(v)
}

func (o *verifyJSON) flush() error { return o.w.Flush() }

func (o *verifyJSON) end(r verifyResult, err error) error {
	o.t.result(r)
	if flushed := o.w.Flush(); flushed != nil {
		return errors.Join(fmt.Errorf("writing the answers: %w", flushed), err)
	}
	if err == nil && r.Refused > 0 {
		return told(exitFailed)
	}
	return err
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf16"

	"github.com/cloakroom-go/cloakroom/dancer"
)

// This file writes answers for programs: JSON objects, one a line. Each has a "type";
// the last, and no other, has the type "result", also after an error.

// jsonLine returns an object as a line. It escapes characters that a terminal might
// obey.
func jsonLine(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	line := make([]byte, 0, b.Len())
	for _, r := range b.String() {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			line = append(line, string(r)...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			line = fmt.Appendf(line, `\u%04x\u%04x`, high, low)
		default:
			line = fmt.Appendf(line, `\u%04x`, r)
		}
	}
	return line, nil
}

// emit writes an object as a line. An error of writing is told at the end.
func (t *terminal) emit(v any) { _ = t.write(v) }

// write is emit for what must be told before something is done.
func (t *terminal) write(v any) error {
	line, err := jsonLine(v)
	if err != nil { // a mistake in the object's type
		t.warn("cloakroom: %v", err)
		return err
	}
	t.line.clear(t.stderr)
	_, err = t.stdout.Write(line)
	return err
}

// emitResult writes the last object: whether all is well, the exit code, and the command's
// own members.
func (t *terminal) emitResult(code int) {
	line := fmt.Appendf(nil, `{"type":"result","ok":%v,"exit":%d}`+"\n", code == exitOK, code)
	if t.own != nil {
		own, err := jsonLine(t.own)
		if err != nil { // a mistake in the object's type
			t.warn("cloakroom: %v", err)
		} else if string(own) != "{}\n" {
			line = append(append(line[:len(line)-2], ','), own[1:]...)
		}
	}
	_, _ = t.stdout.Write(line)
}

// errorLines returns an error of a command as objects.
func (t *terminal) errorLines(err error) []errorLine {
	all := dancerErrors(err)
	for i := range all {
		all[i].File, all[i].Text = hide(t.args, all[i].File), hide(t.args, all[i].Text)
	}
	return all
}

// warningLines returns warnings as objects.
func (t *terminal) warningLines(warnings []dancer.Warning) []warningLine {
	all := make([]warningLine, len(warnings))
	for i, w := range warnings {
		all[i] = warningLine{"warning", hide(t.args, w.File), w.Line, w.Setting, hide(t.args, w.Text)}
	}
	return all
}

// noteLine is a note beside the answer, in JSON.
type noteLine struct {
	Type string `json:"type"` // note
	Text string `json:"text"`
}

// errorLine is an error, in JSON.
type errorLine struct {
	Type    string `json:"type"` // error
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Setting string `json:"setting,omitempty"`
	Text    string `json:"text"`
	Hint    string `json:"hint,omitempty"`
}

func (e errorLine) String() string {
	where := e.File
	if e.Line > 0 {
		where += fmt.Sprintf(", line %d", e.Line)
	}
	switch {
	case e.Setting != "":
		where += ": " + e.Setting + " "
	case where != "":
		where += " "
	}
	return where + e.Text
}

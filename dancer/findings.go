package dancer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// This file is errors and warnings about settings, and what they may show.

// findings are what is wrong with the settings, and what is worth to be told.
type findings struct {
	files    []string // in the order that they were read in
	errors   []finding
	warnings []finding
	hidden   []string // texts that are not to be shown
}

type finding struct {
	file    string
	line    int // 0: none
	setting string
	format  string
	args    []any
}

// quoted is a text of the file, for the arguments of a finding.
type quoted string

func (f *findings) fail(file string, line int, setting, format string, args ...any) {
	f.errors = append(f.errors, finding{file, line, setting, format, args})
}

func (f *findings) warn(file string, line int, setting, format string, args ...any) {
	f.warnings = append(f.warnings, finding{file, line, setting, format, args})
}

// guard has a setting's value be shown nowhere if it is a secret, nor a login in it.
func (f *findings) guard(setting, text string) {
	hide := func(text string) {
		if text != "" {
			f.hidden = append(f.hidden, text)
		}
	}
	name := strings.ToLower(setting[strings.LastIndexByte(setting, '.')+1:])
	for _, word := range []string{"secret", "pass", "key", "userinfo", "token", "auth"} {
		if strings.Contains(name, word) {
			hide(text)
			return
		}
	}
	for address := range strings.SplitSeq(text, ",") {
		if i := strings.LastIndexByte(address, '@'); i >= 0 {
			_, login, ok := strings.Cut(address[:i], "://")
			if !ok {
				login = address[:i]
			}
			hide(login)
			_, password, _ := strings.Cut(login, ":")
			hide(password)
		}
	}
}

// show returns a text of the file as it may be shown.
func (f *findings) show(text string) string {
	for _, h := range f.hidden {
		if strings.Contains(text, h) || strings.Contains(h, text) && len(text) > 3 {
			return "(not shown)"
		}
	}
	const most = 60
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// name returns a setting's name as it may be shown. Those that this package knows
// are its own words.
func (f *findings) name(setting string) string {
	parent, name := "", setting
	if known[setting] {
		return setting
	}
	if i := strings.LastIndexByte(setting, '.'); i >= 0 && known[setting[:i]] {
		parent, name = setting[:i+1], setting[i+1:]
	}
	shown := f.show(name)
	if plain := strings.Trim(shown, `"`); plain == name && !strings.ContainsAny(name, " \t:") {
		return parent + name
	}
	return parent + shown
}

func (f *findings) text(p finding) string {
	args := slices.Clone(p.args)
	for i, a := range args {
		if q, ok := a.(quoted); ok {
			args[i] = f.show(string(q))
		}
	}
	return fmt.Sprintf(p.format, args...)
}

// sorted returns findings in the order of files and lines.
func (f *findings) sorted(all []finding) []finding {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b finding) int {
		return cmp.Or(cmp.Compare(slices.Index(f.files, a.file), slices.Index(f.files, b.file)), cmp.Compare(a.line, b.line))
	})
	return all
}

// told returns the warnings.
func (f *findings) told() []Warning {
	var all []Warning
	for _, p := range f.sorted(f.warnings) {
		w := Warning{File: p.file, Line: p.line, Setting: f.name(p.setting), Text: f.text(p)}
		if !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

// SettingError is something that is wrong with a setting. The error of LoadConfig
// wraps one for each.
type SettingError struct {
	File    string
	Line    int    // 0: the file as a whole
	Setting string // such as "session_options.signing.secret"; "" if it is none
	Text    string // what is wrong, as a sentence about the setting or file
}

// Error implements error.
func (e *SettingError) Error() string {
	where := e.File
	if e.Line > 0 {
		where += fmt.Sprintf(", line %d", e.Line)
	}
	if e.Setting != "" {
		where += ": " + e.Setting
	}
	return fmt.Sprintf("dancer: %s %s", where, e.Text)
}

// err returns the errors as one, nil if there are none.
func (f *findings) err() error {
	var all []error
	for _, p := range f.sorted(f.errors) {
		e := &SettingError{File: p.file, Line: p.line, Text: f.text(p)}
		if p.setting != "" {
			e.Setting = f.name(p.setting)
		}
		all = append(all, e)
	}
	return errors.Join(all...)
}

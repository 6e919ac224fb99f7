package dancer

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// This file collects errors and warnings about settings, and keeps secrets out of them.

// findings are the errors and warnings about the settings.
type findings struct {
	files    []string // in the order of reading
	errors   []finding
	warnings []finding
	hidden   []string // texts that must not be shown
}

type finding struct {
	file    string
	line    int // 0: none
	setting string
	format  string
	args    []any
}

// quoted is an argument of a finding: a text of the file.
type quoted string

// guarded is an argument of a finding: a text that may repeat one of the file.
type guarded string

// named is an argument of a finding: a setting's path, of which the last name is told.
type named string

func (f *findings) fail(file string, line int, setting, format string, args ...any) {
	f.errors = append(f.errors, finding{file, line, setting, format, args})
}

func (f *findings) warn(file string, line int, setting, format string, args ...any) {
	f.warnings = append(f.warnings, finding{file, line, setting, format, args})
}

// guard keeps a setting's value from being shown if it is a secret, and any login in it.
func (f *findings) guard(setting, text string) {
	hide := func(text string) {
		if text != "" {
			f.hidden = append(f.hidden, text)
		}
	}
	if setting == signingGroup || strings.HasPrefix(setting, signingGroup+".") {
		// Any text here may be the secret, also under a wrong name, except a number that
		// can only be a length.
		if !smallNumber.MatchString(text) {
			hide(text)
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

// guardName does the same for the name of a setting below signing: secret:TEXT without a
// space between is a name. Names that look like names are told.
func (f *findings) guardName(group, name string) {
	if group == signingGroup && len(name) > 3 && !plainName.MatchString(name) {
		f.hidden = append(f.hidden, name)
		if _, text, _ := strings.Cut(name, ":"); text != "" {
			f.hidden = append(f.hidden, text)
		}
	}
}

var (
	smallNumber = regexp.MustCompile(`^[0-9]{1,2}$`)
	plainName   = regexp.MustCompile(`^[A-Za-z_-]{1,20}$`)
)

// show returns a text of the file in a form that may be shown.
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

// name returns a setting's name in a form that may be shown. Names that this package
// knows are its own words.
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
		switch a := a.(type) {
		case quoted:
			args[i] = f.show(string(a))
		case guarded:
			for _, h := range f.hidden {
				inQuotes := strconv.Quote(h)
				if strings.Contains(string(a), h) || strings.Contains(string(a), inQuotes[1:len(inQuotes)-1]) {
					args[i] = "(not shown)"
				}
			}
		case named:
			name := f.name(string(a))
			args[i] = name[strings.LastIndexByte(name, '.')+1:]
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

// told returns the warnings in a form that may be shown.
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

// ConfigError is LoadConfig's error if settings are wrong. It has all of their errors,
// and wraps them.
type ConfigError struct {
	Errors   []*SettingError // in the order of files and lines
	Warnings []Warning       // as in Config, as far as the files were read
}

// Error implements error, with a line for each of Errors.
func (e *ConfigError) Error() string {
	lines := make([]string, len(e.Errors))
	for i, e := range e.Errors {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns Errors.
func (e *ConfigError) Unwrap() []error {
	all := make([]error, len(e.Errors))
	for i, e := range e.Errors {
		all[i] = e
	}
	return all
}

// SettingError is one error in a ConfigError.
type SettingError struct {
	File    string
	Line    int    // 0: the file as a whole
	Setting string // such as "session_options.signing.secret"; "" if the error is about no setting
	Text    string // the fault, as a sentence about the setting or file
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
	if len(f.errors) == 0 {
		return nil
	}
	all := &ConfigError{Warnings: f.told()}
	for _, p := range f.sorted(f.errors) {
		e := &SettingError{File: p.file, Line: p.line, Text: f.text(p)}
		if p.setting != "" {
			e.Setting = f.name(p.setting)
		}
		all.Errors = append(all.Errors, e)
	}
	return all
}

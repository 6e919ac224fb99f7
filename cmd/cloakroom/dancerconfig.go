package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/dancer"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is "cloakroom dancer config".

type dancerConfigCommand struct {
	File        string `arg:"" name:"file" placeholder:"FILE" help:"The application's config.yml."`
	Environment string `placeholder:"NAME" help:"The environment. Default: as Dancer chooses it, by config.yml, $$DANCER_ENVIRONMENT, $$PLACK_ENV; or development."`
}

// Help implements kong.HelpProvider.
func (*dancerConfigCommand) Help() string {
	return `Nothing is changed, and the engine isn't asked. Secrets and passwords are not shown.

Exit codes: 0 it can be used; 1 it can't, and each error is told with its file and line; 2 the command line is wrong.

Examples:

    cloakroom dancer config config.yml
    cloakroom dancer config --environment production --json config.yml`
}

// Run tells the meaning of a config.yml.
func (c *dancerConfigCommand) Run(t *terminal) error {
	config, err := loadDancer(c.File, c.Environment)
	var code string
	var cookie *http.Cookie
	if err == nil {
		code, err = goCode(config)
	}
	if err == nil {
		cookie, err = newCookie(config)
	}
	if err != nil {
		t.result(configResult{Warnings: len(dancerWarnings(err)), Errors: len(dancerErrors(err))})
		return err
	}
	t.result(configResult{Warnings: len(config.Warnings)})
	if t.json {
		emitConfig(t, config, cookie, code)
	} else {
		sayConfig(t, config, cookie, code)
	}
	return nil
}

// sayConfig tells it to people.
func sayConfig(t *terminal, config *dancer.Config, cookie *http.Cookie, code string) {
	say := func(name, format string, args ...any) {
		t.say("%-13s %s", name, human.Printable(fmt.Sprintf(format, args...)))
	}
	say("Environment:", "%s", plain(config.Environment))
	for _, file := range config.Files {
		say("Read:", "%q", file)
	}
	for _, server := range config.Servers {
		say("Server:", "%s", server)
	}
	if hasLogin(config) {
		say("", "A login is set, and not shown.")
	}
	if config.Timeout > 0 {
		say("Timeout:", "%s for a request to the engine", span(config.Timeout))
	}
	say("Index:", "new sessions live in %s; %s stays the old module's", newIndices(config), config.Index)
	say("App:", "%q, which is the setting type", config.Type)
	say("Signing:", "length %d; a secret is set, and not shown", config.Signer().Length())
	for i, line := range savingLines(config) {
		say([]string{"Saving:", ""}[min(i, 1)], "%s", line)
	}
	say("Old cookie:", "%s", oldCookie(config.Cookie))
	say("New cookie:", "%s", describeCookie(cookie, config))
	if m := config.ManagerConfig(); m.IdleTimeout > 0 {
		say("Sessions:", "end %s after the last visit", span(m.IdleTimeout))
	}
	for i, w := range config.Warnings {
		if i == 0 {
			t.say("")
		}
		t.say("Warning: %s", human.Printable(hide(t.args, w.String())))
	}
	t.say("\ndancer.Open makes these sessions of the file. Without the file, in Go:\n\n%s", human.Printable(strings.TrimSuffix(code, "\n")))
}

// plain returns a text as it is, or in quotes if that escapes anything.
func plain(text string) string {
	if q := strconv.Quote(text); q != `"`+text+`"` {
		return q
	}
	return text
}

// savingLines tell when changes are saved, and which mode would be better.
func savingLines(config *dancer.Config) []string {
	if config.Lazy {
		return []string{
			"is_lazy is true: the application saves, by flush or an after hook (SaveManual)",
			"Better: SaveOnce, which needs no asking: one read and one write a request",
		}
	}
	return []string{
		"is_lazy is false: each get reads, and each set writes at once (SaveEach)",
		"Better: SaveOnce, one read and one write a request",
	}
}

// saveName names the mode of saving that is_lazy gives.
func saveName(config *dancer.Config) string {
	if config.ManagerConfig().Save == cloakroom.SaveManual {
		return "SaveManual"
	}
	return "SaveEach"
}

func oldCookie(c dancer.Cookie) string {
	site := "SameSite as Dancer has it (1.3521: None)"
	if c.SameSite != 0 {
		site = "SameSite=" + sameSites[c.SameSite].text
	}
	ends := "ends with the browser"
	if c.Expires > 0 {
		ends = "ends " + span(c.Expires) + " after the last response"
	}
	return cookieText(c.Name, c.Secure, c.HTTPOnly, site, c.Domain, ends)
}

func describeCookie(c *http.Cookie, config *dancer.Config) string {
	ends := "ends with the browser"
	if m := config.ManagerConfig(); config.NewCookie().RememberAnonymous {
		ends = "ends " + span(m.AnonymousLifetime) + " after the first visit"
	}
	return cookieText(c.Name, c.Secure, c.HttpOnly, "SameSite="+sameSites[c.SameSite].text, c.Domain, ends)
}

func cookieText(name string, secure, httpOnly bool, site, domain, ends string) string {
	parts := []string{name}
	if secure {
		parts = append(parts, "Secure")
	} else {
		parts = append(parts, "not Secure")
	}
	if httpOnly {
		parts = append(parts, "HttpOnly")
	} else {
		parts = append(parts, "shown to scripts")
	}
	parts = append(parts, site)
	if domain != "" {
		parts = append(parts, "Domain="+domain)
	}
	return strings.Join(append(parts, ends), "; ")
}

// span writes a duration as flags take it: 14d, 12h, 90s.
func span(d time.Duration) string {
	switch {
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// configLine is the settings as understood, in JSON. Times are in seconds.
type configLine struct {
	Type        string      `json:"type"` // config
	Environment string      `json:"environment"`
	Files       []string    `json:"files"`
	Servers     []string    `json:"servers"`
	Login       bool        `json:"login"` // one is set
	Timeout     float64     `json:"timeout,omitempty"`
	OldIndex    string      `json:"oldIndex"`
	NewIndices  string      `json:"newIndices"`
	App         string      `json:"app"`
	Signing     signingLine `json:"signing"`
	Lazy        bool        `json:"isLazy"`
	Save        string      `json:"save"`
	BetterSave  string      `json:"betterSave"`
	Idle        float64     `json:"idle,omitempty"` // the idle timeout
	OldCookie   cookieLine  `json:"oldCookie"`
	NewCookie   cookieLine  `json:"newCookie"`
}

type signingLine struct {
	Length int  `json:"length"`
	Secret bool `json:"secret"` // one is set
}

type cookieLine struct {
	Name     string  `json:"name"`
	Secure   bool    `json:"secure"`
	HTTPOnly bool    `json:"httpOnly"`
	SameSite string  `json:"sameSite,omitempty"`
	Domain   string  `json:"domain,omitempty"`
	Lasts    float64 `json:"lasts,omitempty"` // 0: it ends with the browser
}

type warningLine struct {
	Type    string `json:"type"` // warning
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Setting string `json:"setting"`
	Text    string `json:"text"`
}

type codeLine struct {
	Type string `json:"type"` // go
	Code string `json:"code"`
}

// configResult is the command's result.
type configResult struct {
	Warnings int `json:"warnings"`
	Errors   int `json:"errors"`
}

// emitConfig tells it to programs.
func emitConfig(t *terminal, config *dancer.Config, cookie *http.Cookie, code string) {
	m, old := config.ManagerConfig(), config.Cookie
	line := configLine{
		Type: "config", Environment: config.Environment, Files: config.Files, Servers: config.Servers, Login: hasLogin(config),
		Timeout: config.Timeout.Seconds(), OldIndex: config.Index, NewIndices: newIndices(config), App: config.Type,
		Signing: signingLine{config.Signer().Length(), true}, Lazy: config.Lazy, Save: saveName(config), BetterSave: "SaveOnce",
		Idle:      m.IdleTimeout.Seconds(),
		OldCookie: cookieLine{old.Name, old.Secure, old.HTTPOnly, sameSites[old.SameSite].text, old.Domain, old.Expires.Seconds()},
		NewCookie: cookieLine{cookie.Name, cookie.Secure, cookie.HttpOnly, sameSites[cookie.SameSite].text, cookie.Domain, 0},
	}
	if config.NewCookie().RememberAnonymous {
		line.NewCookie.Lasts = m.AnonymousLifetime.Seconds()
	}
	t.emit(line)
	for _, w := range t.warningLines(config.Warnings) {
		t.emit(w)
	}
	t.emit(codeLine{"go", code})
}

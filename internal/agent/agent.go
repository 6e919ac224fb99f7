// Package agent says of a User-Agent header which program on which system it names, in
// the words that people use: "Chrome on Windows", "Safari on iPhone", "curl".
//
// It tells no versions. Browsers freeze those of systems: macOS is 10.15.7 and Windows is
// 10 in all of them. The header is what the client says of itself, so it is no proof of
// anything.
package agent

import (
	"strings"
	"unicode"

	"github.com/medama-io/go-useragent"
	"github.com/medama-io/go-useragent/agents"
)

// This file is Reader and Agent.

// Kind is the kind of a device, for an icon.
type Kind string

// The kinds of devices.
const (
	Desktop Kind = "desktop"
	Phone   Kind = "phone"
	Tablet  Kind = "tablet"
	Bot     Kind = "bot"   // it says that it is one
	Other   Kind = "other" // a program that isn't a browser, a television, or unknown
)

// Agent is the device that a User-Agent names.
type Agent struct {
	Program string // such as "Chrome", "" if it isn't known
	System  string // such as "Windows" or "iPhone", "" if it isn't known
	Kind    Kind
}

// String returns the agent in words. Nothing known is "Unknown program".
func (a Agent) String() string {
	switch {
	case a.Program == "" && a.System == "":
		return "Unknown program"
	case a.Program == "":
		return "Unknown browser on " + a.System
	case a.System == "":
		return a.Program
	}
	return a.Program + " on " + a.System
}

// Reader reads User-Agents. It is safe for concurrent use. Whoever makes one keeps it:
// the first one takes some 40 ms and 5 MiB, which all of a process share.
type Reader struct{ parser *useragent.Parser }

// NewReader makes a Reader.
func NewReader() *Reader { return &Reader{useragent.NewParser()} }

// Read returns what a User-Agent names. The texts in it have no control characters, and
// Program has maxName characters at most.
func (r *Reader) Read(userAgent string) Agent {
	if name := botName(userAgent); name != "" {
		return Agent{Program: name, Kind: Bot}
	}
	ua := r.parser.Parse(userAgent)
	a := Agent{Program: browser(ua.Browser()), System: system(ua.OS(), userAgent)}
	if a.System == "" && !strings.HasPrefix(userAgent, "Mozilla/") { // no browser does without
		return Agent{Program: product(userAgent), Kind: Other}
	}
	a.Kind = kind(ua, a.System, userAgent)
	return a
}

// browser returns the name that people know a browser by.
func browser(b agents.Browser) string {
	switch b {
	case agents.BrowserAndroid:
		return "Android browser"
	case agents.BrowserIE:
		return "Internet Explorer"
	case agents.BrowserSamsung:
		return "Samsung Internet"
	}
	return b.String()
}

// system returns the name of a system, or that of the device where people say that: a
// phone of Apple's is an iPhone.
func system(os agents.OS, userAgent string) string {
	switch os {
	case agents.OSIOS:
		for _, device := range []string{"iPad", "iPod", "iPhone"} {
			if strings.Contains(userAgent, device) {
				return device
			}
		}
	case agents.OSMacOS:
		return "macOS"
	case "":
		if strings.Contains(userAgent, "FreeBSD") { // which the parser matches and doesn't name
			return "FreeBSD"
		}
	}
	return os.String()
}

// kind returns the kind of a browser's device. Browsers of Android say "Mobile" on phones
// alone.
func kind(ua useragent.UserAgent, system, userAgent string) Kind {
	switch {
	case ua.IsTV():
		return Other
	case system == "iPad", ua.IsTablet(), system == "Android" && !strings.Contains(userAgent, "Mobile"):
		return Tablet
	case system == "iPhone", system == "iPod", system == "Android", ua.IsMobile():
		return Phone
	case system == "":
		return Other
	}
	return Desktop
}

// botName returns the name of a program that calls itself a bot, "" for others. The name
// is that of a product with a version, so that phones of the make Cubot are none.
func botName(userAgent string) string {
	for word := range strings.FieldsFuncSeq(userAgent, func(r rune) bool { return strings.ContainsRune(" ;()+,", r) }) {
		name, _, versioned := strings.Cut(word, "/")
		lower := strings.ToLower(name)
		if versioned && !strings.Contains(name, ":") &&
			(strings.HasSuffix(lower, "bot") || strings.HasSuffix(lower, "crawler") || strings.HasSuffix(lower, "spider")) {
			return plain(name)
		}
	}
	return ""
}

// product returns the first product of a User-Agent without its version: "curl" of
// "curl/8.5.0".
func product(userAgent string) string {
	name, _, _ := strings.Cut(strings.TrimSpace(userAgent), "/")
	if name == "Go-http-client" {
		return "Go program"
	}
	return plain(name)
}

// maxName bounds the characters of a name that a client chose.
const maxName = 40

// plain returns the beginning of a text, without control characters and invalid UTF-8, and
// without those that change the direction of what follows.
func plain(s string) string {
	kept := []rune(strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s))
	return strings.TrimSpace(string(kept[:min(len(kept), maxName)]))
}

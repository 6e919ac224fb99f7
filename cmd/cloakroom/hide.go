package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cloakroom-go/cloakroom"
)

// This file keeps secrets out of messages.

// fromEnv matches the parser's mention of a variable, with all of its value.
var fromEnv = regexp.MustCompile(`(?s)\(from envar (\w+)=".*"\)`)

// unexpected matches the parser's mention of an argument that no command takes.
var unexpected = regexp.MustCompile(`(?s)unexpected argument .*`)

// hide takes possible secrets out of a message: the values of environment variables, and
// URLs, cookies and tokens that were put in the wrong place.
func hide(args []string, message string) string {
	message = strings.ReplaceAll(message, "expected value value", "expected a value") // the parser's name for a type that it doesn't know
	message = fromEnv.ReplaceAllString(message, "(in $$$1)")
	if slices.Contains(args, "verify") || slices.Contains(args, "token") {
		message = unexpected.ReplaceAllString(message, "unexpected argument (not shown): values are read from the standard input")
	}
	for _, a := range args {
		if !strings.Contains(a, "@") && (!strings.Contains(a, "://") || !strings.Contains(a, "?")) {
			continue // no login is in it
		}
		_, value, _ := strings.Cut(a, "=")
		for _, s := range []string{a, value} {
			if s == "" {
				continue
			}
			quoted := fmt.Sprintf("%q", s)
			message = strings.ReplaceAll(message, quoted, "(not shown)")
			message = strings.ReplaceAll(message, s, "(not shown)")
			message = strings.ReplaceAll(message, quoted[1:len(quoted)-1], "(not shown)")
		}
	}
	return message
}

// dashed returns advice for an argument that is an id, and that the parser took for a flag.
func dashed(args []string) string {
	for _, a := range args {
		if a == "--" {
			break
		}
		if _, err := cloakroom.ParseID(a); err == nil && a[0] == '-' {
			return "; an id that begins with - goes behind --, which comes last"
		}
	}
	return ""
}

// Package human writes times, numbers, sizes and foreign texts for people, and reads lengths
// of time.
package human

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/cloakroom-go/cloakroom/driver"
)

const day = 24 * time.Hour

// Ago writes an age by its largest unit: 3d, 12h, 40m, 5s.
func Ago(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%s%dd", sign, d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%s%dh", sign, d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%s%dm", sign, d/time.Minute)
	}
	return fmt.Sprintf("%s%ds", sign, d/time.Second)
}

// Number writes a number with commas: 1,234,567.
func Number(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Counted writes a number of things: 1 session, 2 sessions.
func Counted(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return Number(n) + " " + what
}

// Printable escapes what can't be seen of a text, or changes how the rest is shown, such as
// \x1b and \u202e. So a terminal doesn't obey it, and nobody takes one text for another. Line
// ends and tabs stay.
func Printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// Size writes a number of bytes.
func Size(n int64) string {
	const unit = 1 << 10
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, name := float64(n)/unit, "KiB"
	for _, next := range []string{"MiB", "GiB", "TiB"} {
		if f < unit {
			break
		}
		f, name = f/unit, next
	}
	return fmt.Sprintf("%.1f %s", f, name)
}

// shortest is the least length of time that is taken.
const shortest = time.Second

// ParseSpan reads a length of time: as in Go, and with d for days. From a second to
// driver.MaxLifetime is taken.
func ParseSpan(text string) (time.Duration, error) {
	v, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		n = min(n, 1000) // keeps a time.Duration from overflowing
		v = time.Duration(n) * day
		if errors.Is(err, strconv.ErrRange) {
			err = nil
		}
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no duration: give one such as 90s, 30m, 12h or 7d", text)
	case v < shortest:
		return 0, fmt.Errorf("%q is too short: at least %v is needed", text, shortest)
	case v > driver.MaxLifetime:
		return 0, fmt.Errorf("%q is too long: at most %dd is allowed", text, driver.MaxLifetime/day)
	}
	return v, nil
}

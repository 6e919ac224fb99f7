package human

import (
	"strings"
	"testing"
	"time"
)

// This file is the tests of what people read and write.

func TestWriting(t *testing.T) {
	for got, want := range map[string]string{
		Ago(5 * time.Second): "5s", Ago(119 * time.Second): "119s", Ago(2 * time.Minute): "2m", Ago(47 * time.Hour): "47h", Ago(49 * time.Hour): "2d", Ago(-3 * time.Hour): "-3h",
		Number(0): "0", Number(999): "999", Number(1000): "1,000", Number(1234567): "1,234,567", Number(-1000): "-1,000", Number(-999): "-999",
		Counted(1, "session"): "1 session", Counted(0, "session"): "0 sessions", Counted(2000, "session"): "2,000 sessions",
		Printable("Zoë, 林 😀\n\t"): "Zoë, 林 😀\n\t", Printable("a\u202eb\x1b[2J\u200d\x00"): `a\u202eb\x1b[2J\u200d\x00`, Printable("\xff"): "\ufffd",
		Size(1023): "1023 B", Size(1024): "1.0 KiB", Size(5 << 40): "5.0 TiB", Size(5 << 50): "5120.0 TiB",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestParseSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "30m": 30 * time.Minute, "7d": 7 * 24 * time.Hour, "400d": 400 * 24 * time.Hour} {
		if got, err := ParseSpan(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for text, want := range map[string]string{"": "no duration", "x": "no duration", "d": "no duration", "1.5d": "no duration", "0s": "too short", "-1d": "too short", "401d": "too long", "99999999999999999999d": "too long"} {
		if _, err := ParseSpan(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

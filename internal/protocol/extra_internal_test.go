package protocol

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of the members of Record.Extra that a sign-in sets.

func TestGenerationIsRead(t *testing.T) {
	g := driver.WriteID{1, 2, 3, 4, 5, 6, 7, 8}
	for raw, want := range map[string]driver.WriteID{
		`"AQIDBAUGBwg"`: g, `"\u0041QIDBAUGBwg"`: g, ` "AQIDBAUGBwg" `: g, "": {},
		`"`: {}, `""`: {}, `"AQIDBAUGBw"`: {}, `"AQIDBAUGBwgA"`: {}, `null`: {}, `1`: {}, `["AQIDBAUGBwg"]`: {}, `"AQIDBAUGBw "`: {},
	} {
		rec := &driver.Record{}
		if raw != "" {
			rec.Extra = rec.Extra.With(driver.ExtraGeneration, json.RawMessage(raw))
		}
		if got := GenerationOf(rec); got != want {
			t.Errorf("%s is read as %v, want %v", raw, got, want)
		}
	}
	if got := GenerationOf(&driver.Record{Extra: OwnIdleOf(5, g)}); got != g {
		t.Errorf("%v became %v", g, got)
	}
}

func TestOwnIdleIsRead(t *testing.T) {
	const others = time.Hour
	for raw, want := range map[string]struct {
		ms  int64
		own bool
		d   time.Duration
	}{
		"": {0, false, others}, "0": {0, true, driver.MaxLifetime}, "1": {1, true, time.Millisecond}, "3600000": {3600000, true, time.Hour},
		"34560000000": {34560000000, true, driver.MaxLifetime}, "34560000001": {34560000001, true, driver.MaxLifetime},
		"9223372036854775807": {1<<63 - 1, true, driver.MaxLifetime}, "99999999999999999999": {1<<63 - 1, true, driver.MaxLifetime},
		"-1": {-1, true, 0}, `"5"`: {-1, true, 0}, "1e3": {-1, true, 0}, "1.0": {-1, true, 0}, "null": {-1, true, 0},
	} {
		rec := &driver.Record{}
		if raw != "" {
			rec.Extra = rec.Extra.With(driver.ExtraIdle, json.RawMessage(raw))
		}
		if ms, own := OwnIdle(rec); ms != want.ms || own != want.own {
			t.Errorf("%s is read as %d, %v", raw, ms, own)
		}
		if d := IdleTimeout(rec, others); d != want.d {
			t.Errorf("%s is %v, want %v", raw, d, want.d)
		}
	}
}

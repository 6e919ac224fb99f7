package driver_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

func TestDue(t *testing.T) {
	now := time.UnixMilli(1_797_897_600_000).UTC()
	const tolerance = driver.ClockTolerance
	before := now.Add(-time.Millisecond)
	session := func(expires, deadline time.Time) driver.Record {
		return driver.Record{Kind: driver.KindSession, Expires: expires, Deadline: deadline}
	}
	newer := session(before, now.Add(time.Hour))
	newer.Extra = driver.ValueList{{Name: driver.ExtraFormat, JSON: json.RawMessage("2")}}
	newerOver := newer
	newerOver.Deadline = before.Add(-tolerance)
	for name, tt := range map[string]struct {
		rec  driver.Record
		want driver.Due
	}{
		"a session in use":                         {session(now.Add(time.Second), now.Add(time.Hour)), driver.DueNothing},
		"at its Expires":                           {session(now, now.Add(time.Hour)), driver.DueNothing},
		"past Expires":                             {session(before, now.Add(time.Hour)), driver.DueBurial},
		"past Deadline, within the tolerance":      {session(now.Add(-tolerance), now.Add(-tolerance)), driver.DueBurial},
		"past Deadline and tolerance":              {session(now.Add(-time.Hour), before.Add(-tolerance)), driver.DueRemoval},
		"a session without an end":                 {session(time.Time{}, time.Time{}), driver.DueNothing},
		"a newer one past Expires":                 {newer, driver.DueNothing},
		"a newer one past Deadline":                {newerOver, driver.DueRemoval},
		"a ledger past Expires":                    {driver.Record{Kind: driver.KindLedger, Expires: before, Deadline: now.Add(time.Hour)}, driver.DueNothing},
		"a ledger past Deadline and tolerance":     {driver.Record{Kind: driver.KindLedger, Deadline: before.Add(-tolerance)}, driver.DueRemoval},
		"a grave before Until":                     {driver.Record{Grave: &driver.Grave{Until: now}}, driver.DueNothing},
		"a grave past Until, within the tolerance": {driver.Record{Grave: &driver.Grave{Until: now.Add(-tolerance)}}, driver.DueNothing},
		"a grave past Until and tolerance":         {driver.Record{Grave: &driver.Grave{Until: before.Add(-tolerance)}}, driver.DueRemoval},
		"a grave without an end":                   {driver.Record{Grave: &driver.Grave{}}, driver.DueNothing},
	} {
		if got := tt.rec.Due(now); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

func TestCheckVersion(t *testing.T) {
	v := driver.Version{Term: 1, Seq: 2}
	for name, tt := range map[string]struct {
		there *driver.Record
		at    driver.Version
		want  error
	}{
		"nothing":               {nil, v, driver.ErrNotFound},
		"nothing, zero version": {nil, driver.Version{}, driver.ErrNotFound},
		"a grave at it":         {&driver.Record{Version: v, Grave: &driver.Grave{}}, v, driver.ErrGone},
		"another version":       {&driver.Record{Version: v}, driver.Version{Term: 1, Seq: 3}, driver.ErrConflict},
		"no version":            {&driver.Record{}, driver.Version{}, driver.ErrConflict},
		"the version":           {&driver.Record{Version: v}, v, nil},
	} {
		if got := tt.there.CheckVersion(tt.at); !errors.Is(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

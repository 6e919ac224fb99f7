package sqlitestore

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests the write-ahead log.

// TestSQLiteVersion keeps go.mod from going back. Up to SQLite 3.51.2, a file could be
// damaged when one connection committed while another copied the log
// (https://sqlite.org/wal.html#walresetbug). The driver alone requires an older version.
func TestSQLiteVersion(t *testing.T) {
	if sqlite.VersionNumber < 3_051_003 {
		t.Errorf("SQLite %s can damage files: require a later modernc.org/sqlite", sqlite.Version)
	}
}

// TestLogBesideReaders saves beside readers that never pause. The log must start anew
// all the same.
func TestLogBesideReaders(t *testing.T) {
	s := openTest(t, nil)
	records := samples(200)
	for _, err := range createAll(s, records) {
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for i := range 4 {
		readers.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				_, _ = s.Get(context.Background(), records[n%len(records)].ID)
			}
		})
	}
	var writers sync.WaitGroup
	for i := range 20 {
		writers.Go(func() {
			for n := range 20 {
				r, err := s.Get(context.Background(), records[i*10+n%10].ID)
				if err == nil {
					u := *r
					u.Values = driver.NewValueList(map[string]json.RawMessage{"big": json.RawMessage(`"` + strings.Repeat("x", 100_000) + `"`)})
					_, err = s.Update(context.Background(), &u)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	stop()
	readers.Wait()
	if size := walSize(s.path); size > 3*walLimit {
		t.Errorf("40 MB were saved; the write-ahead log has %d bytes", size)
	}
}

// TestLogBesideLongReader: another process reads without end, so the log can't start
// anew. Saves go on, and the log shrinks afterwards.
func TestLogBesideLongReader(t *testing.T) {
	s := openTest(t, nil)
	c := operator(t, s)
	do(t, c, "BEGIN")
	do(t, c, "SELECT count(*) FROM records")
	r := sample(0)
	v, err := s.Create(t.Context(), r)
	for n := 0; err == nil && walSize(s.path) < walLimit; n++ {
		u := *r
		u.Version = v
		u.Values = driver.NewValueList(map[string]json.RawMessage{"big": json.RawMessage(`"` + strings.Repeat("x", 1_000_000+n) + `"`)})
		v, err = s.Update(t.Context(), &u)
	}
	if err != nil {
		t.Fatal(err)
	}
	look := func() {
		t.Helper()
		s.writer.walLook = time.Time{} // no save is under way, so nobody else uses it
		for range 2 {                  // the first finds the log too long, the second starts it anew
			if _, err := s.Create(t.Context(), sample(1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	look()
	if size := walSize(s.path); size < walLimit {
		t.Errorf("the log was cut to %d bytes under a reader", size)
	}
	if pause := time.Until(s.writer.walLook); pause < walPause/2 {
		t.Errorf("the next look is in %v: saves would be held up", pause)
	}
	do(t, c, "COMMIT")
	look()
	if size := walSize(s.path); size >= walLimit {
		t.Errorf("the log has %d bytes", size)
	}
	if got, err := s.Get(t.Context(), r.ID); err != nil || got.Version != v {
		t.Errorf("Get: %v, %v", got, err)
	}
	if text, err := queryText(s.writer.conn, "PRAGMA integrity_check"); text != "ok" || err != nil {
		t.Errorf("integrity: %s, %v", text, err)
	}
}

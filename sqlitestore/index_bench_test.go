package sqlitestore

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file measures what an index costs on each save and on each end.

// indexesToCompare are changes of the indexes, each in a file of its own.
var indexesToCompare = []struct{ name, sql string }{
	{"as they are", ""},
	{"no graves", "DROP INDEX records_ended; DROP INDEX records_ended_principal"},
	{"IndexSeen", seenIndex.sql},
	{"address", "CREATE INDEX x ON records (address) WHERE kind <> ''"},
}

// BenchmarkIndexes makes, saves and ends sessions, in each file in turn.
func BenchmarkIndexes(b *testing.B) {
	const n, callers, rounds = 20_000, 64, 15
	type side struct {
		s       *Store
		records []*driver.Record
	}
	var sides []*side
	for _, x := range indexesToCompare {
		s, records := filled(b, n)
		if x.sql != "" {
			if _, err := s.saves.Do(b.Context(), item{op: func(w *writer) (outcome, error) {
				for sql := range strings.SplitSeq(x.sql, "; ") {
					if err := execute(w.conn, sql); err != nil {
						return outcome{}, err
					}
				}
				return outcome{}, nil
			}}); err != nil {
				b.Fatal(err)
			}
		}
		sides = append(sides, &side{s: s, records: records})
	}
	each := func(do func(s *Store, r *driver.Record) error) (all [][]float64) {
		all = make([][]float64, len(sides))
		for round := range rounds {
			for i := range sides {
				at := (i + round) % len(sides)
				side := sides[at]
				begun := time.Now()
				per := len(side.records) / callers
				share(b, callers, n/rounds, func(c, j int) error {
					return do(side.s, side.records[c*per+(round*per/rounds+j/callers%(per/rounds))%per])
				})
				all[at] = append(all[at], float64(n/rounds)/time.Since(begun).Seconds())
			}
		}
		return all
	}
	report := func(what string, all [][]float64) {
		for i, x := range indexesToCompare {
			slices.Sort(all[i])
			b.Logf("%-5s %-12s %7.0f/s (most %.0f)", what, x.name, all[i][rounds/2], all[i][rounds-1])
		}
	}
	report("save", each(func(s *Store, r *driver.Record) error {
		save(r)
		r.Seen = r.Seen.Add(time.Duration(rand.IntN(1000)) * time.Millisecond)
		v, err := s.Update(context.Background(), r)
		if err == nil {
			r.Version = v
		}
		return err
	}))
	report("end", each(func(s *Store, r *driver.Record) error {
		return s.Bury(context.Background(), r.ID, r.ExpiredGrave(r.Seen), driver.Version{})
	}))
}

package sqlitestore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Summarize and Report, for operators.

// Summarize counts the records or graves that a query selects; see driver.Inspector. It
// counts entries of an index, unless the query restricts Expires, Seen, Address or Agent,
// which have none: then it reads all records of the kind, some seconds for a million.
func (s *Store) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	q.After, q.Limit = driver.Cursor{}, 0
	if err := q.Check(); err != nil {
		return driver.Summary{}, s.fail("summarize", driver.ID{}, err)
	}
	if !q.SeenFrom.IsZero() || !q.SeenTo.IsZero() {
		q.Order = driver.OrderSeen // by its index, if there is one
	}
	c := newCondition(q)
	var sum driver.Summary
	var cut error
	err := s.readers.long(ctx, func(r *reader) (err error) {
		if c.rest == nil {
			sum, err = r.count(c)
			return err
		}
		sum, cut, err = r.countRest(c, q.Scan)
		return err
	})
	if err != nil {
		return driver.Summary{}, s.fail("summarize", driver.ID{}, err)
	}
	return sum, cut
}

// count counts what a condition selects, by an index where there is one.
func (r *reader) count(c condition) (sum driver.Summary, err error) {
	queries := []string{"SELECT count(*), count(nullif(" + c.principal + ", '')) FROM records WHERE " + c.where}
	if c.covered {
		queries = []string{
			"SELECT count(*), 0 FROM records WHERE " + c.where,
			"SELECT 0, count(*) FROM records INDEXED BY records_principal WHERE principal <> '' AND " + c.where,
		}
	}
	for _, sql := range queries {
		err := r.each(sql, c.args, func(stmt *sqlite.Stmt) bool {
			sum.Records += stmt.ColumnInt64(0)
			sum.SignedIn += stmt.ColumnInt64(1)
			return true
		})
		if err != nil {
			return driver.Summary{}, err
		}
	}
	return sum, nil
}

// countRest counts row by row what SQL alone can't judge. cut tells that it met more rows
// that don't count than it may.
func (r *reader) countRest(c condition, scan int) (sum driver.Summary, cut, err error) {
	vain := 0
	sql := "SELECT seen, expires, address, user_agent, principal FROM records WHERE " + c.where
	err = r.each(sql, c.args, func(stmt *sqlite.Stmt) bool {
		if !c.rest(stmt, restColumns{0, 1, 2, 3}) {
			vain++
			return scan <= 0 || vain <= scan
		}
		sum.Records++
		if stmt.ColumnLen(4) > 0 {
			sum.SignedIn++
		}
		return true
	})
	if scan > 0 && vain > scan {
		cut = &driver.TruncatedError{}
	}
	return sum, cut, err
}

// Report tells the size of the file and the number of its records; see driver.Inspector.
// It counts all rows of an index.
func (s *Store) Report(ctx context.Context) (driver.Report, error) {
	report := driver.Report{Engine: "SQLite " + sqlite.Version}
	counts := map[string]int64{}
	err := s.readers.long(ctx, func(r *reader) error {
		for name, sql := range map[string]string{
			"sessions": "SELECT count(*) FROM records WHERE kind <> '' AND kind = 'session'",
			"ledgers":  "SELECT count(*) FROM records WHERE kind <> '' AND kind = 'ledger'",
			"rows":     "SELECT count(*) FROM records",
			"pages":    "SELECT page_count FROM pragma_page_count",
			"unused":   "SELECT freelist_count FROM pragma_freelist_count",
			"page":     "SELECT page_size FROM pragma_page_size",
		} {
			err := r.each(sql, nil, func(stmt *sqlite.Stmt) bool {
				counts[name] = stmt.ColumnInt64(0)
				return true
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return driver.Report{}, s.fail("report", driver.ID{}, err)
	}
	add := func(name, value string) {
		report.Facts = append(report.Facts, driver.Fact{Name: name, Value: value})
	}
	add("file", filepath.Base(s.path))
	add("size", size(counts["pages"]*counts["page"]))
	add("of it unused", size(counts["unused"]*counts["page"]))
	add("sessions", strconv.FormatInt(counts["sessions"], 10))
	add("ledgers", strconv.FormatInt(counts["ledgers"], 10))
	add("graves", strconv.FormatInt(max(0, counts["rows"]-counts["sessions"]-counts["ledgers"]), 10))

	problem := func(code string, how driver.Severity, meaning, remedy string) {
		report.Problems = append(report.Problems, driver.Problem{Code: code, Severity: how, Meaning: meaning, Remedy: remedy})
	}
	switch info, err := os.Stat(s.path); {
	case err != nil || !os.SameFile(info, s.writer.file):
		problem("file-replaced", driver.SeverityFail,
			"The file is not the one that was opened: it was moved, deleted or replaced.", "Restart the program.")
	case isShared(info):
		problem("file-permissions", driver.SeverityWarn,
			fmt.Sprintf("Others than its owner have permissions on the file (%v).", info.Mode().Perm()),
			"Take them away with chmod 600, also from the files beside it.")
	}
	wal := walSize(s.path)
	add("write-ahead log", size(wal))
	if wal > 4*walLimit {
		problem("log-large", driver.SeverityWarn,
			"The write-ahead log is large, as some process has been reading from the file for long.", "Find and end it.")
	}
	report.Problems = append(report.Problems, s.fenceProblem(ctx)...)
	return report, nil
}

// size spells a number of bytes.
func size(n int64) string {
	const unit = 1 << 10
	if n < unit {
		return fmt.Sprintf("%d bytes", n)
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

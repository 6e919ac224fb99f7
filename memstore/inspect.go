package memstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Summarize and Report, for operators.

// Summarize counts the records that a query selects; see driver.Inspector.
func (s *Store) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	q.After = driver.Cursor{}
	if err := q.Check(); err != nil {
		return driver.Summary{}, fmt.Errorf("memstore: summarize: %w", err)
	}
	var sum driver.Summary
	err := s.each(ctx, "summarize", func(e entry) {
		if q.Matches(e.Record) {
			sum.Records++
			if e.Principal != "" || e.Grave != nil && e.Grave.Principal != "" {
				sum.SignedIn++
			}
		}
	})
	if err != nil {
		return driver.Summary{}, err
	}
	return sum, nil
}

// Report counts records and graves; see driver.Inspector.
func (s *Store) Report(ctx context.Context) (driver.Report, error) {
	records, graves := 0, 0
	err := s.each(ctx, "report", func(e entry) {
		if e.Grave == nil {
			records++
		} else {
			graves++
		}
	})
	if err != nil {
		return driver.Report{}, err
	}
	report := driver.Report{
		Engine: "memory of this process",
		Facts: []driver.Fact{
			{Name: "records", Value: strconv.Itoa(records)},
			{Name: "graves", Value: strconv.Itoa(graves)},
		},
	}
	if s.max > 0 {
		report.Facts = append(report.Facts, driver.Fact{Name: "limit", Value: strconv.FormatInt(s.max, 10)})
		if int64(records+graves) >= s.max {
			report.Problems = append(report.Problems, driver.Problem{
				Code: "store-full", Severity: driver.SeverityFail,
				Meaning: "The store is full, so no session can begin.",
				Remedy:  "Raise Config.MaxRecords, or sweep more often.",
			})
		}
	}
	if since := s.fence.Load(); since != nil {
		report.Problems = append(report.Problems, driver.Problem{
			Code: "writes-fenced", Severity: driver.SeverityFail,
			Meaning: "The store takes no writes since " + since.UTC().Format(time.RFC3339) + ", as its sessions move to another store. What has to be saved is an outage.",
			Remedy:  "Start the application on the other store, or call Unfence.",
		})
	}
	return report, nil
}

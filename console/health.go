package console

import (
	"context"
	"net/http"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the page of the store's health.

// healthPage is the page's data.
type healthPage struct {
	figure[driver.Report]
	Periods []periodRow
	Worst   driver.Severity // of the problems; "" without one
}

// periodRow is a part of the store in the table.
type periodRow struct {
	Name             string
	Documents, Bytes int64 // -1: unknown
	Drop             moment
}

// report returns the store's report.
func (c *Console) report(v *visit) figure[driver.Report] {
	return figureOf(v.Context(), c.shared, "report", func(ctx context.Context) (driver.Report, error) {
		if c.config.Manager != nil {
			return c.config.Manager.Admin().Report(ctx)
		}
		return c.config.Admins[0].Report(ctx)
	})
}

// health shows the store's report.
func (c *Console) health(v *visit) error {
	if len(v.URL.RawQuery) > 0 {
		return bad("This page has no parameters.")
	}
	p := &healthPage{figure: c.report(v)}
	for _, x := range p.Value.Periods {
		p.Periods = append(p.Periods, periodRow{x.Name, x.Documents, x.Bytes, when(v.now, x.DropFrom)})
	}
	p.Worst = worst(p.Value.Problems)
	c.show(v, http.StatusOK, "health", "Health", "health", p)
	return nil
}

// worst returns the gravest severity.
func worst(problems []driver.Problem) (most driver.Severity) {
	rank := map[driver.Severity]int{driver.SeverityInfo: 1, driver.SeverityWarn: 2, driver.SeverityFail: 3}
	for _, p := range problems {
		if rank[p.Severity] > rank[most] {
			most = p.Severity
		}
	}
	return most
}

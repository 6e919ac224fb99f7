package cloakroom

import (
	"context"
	"fmt"
	"strings"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the problems that Admin.Report tells of a Manager: its configuration, and
// the ledger faults that it met.

// problems returns the dangers of a configuration that works. A configuration that can't
// work is an error of New.
func (m *Manager) problems(ctx context.Context) (all []driver.Problem, err error) {
	warn := func(code, meaning, remedy string) {
		all = append(all, driver.Problem{Code: code, Severity: driver.SeverityWarn, Meaning: meaning, Remedy: remedy})
	}
	c := m.config
	if k, ok := m.transport.(Cookie); ok {
		if k.Insecure {
			warn("cookie-insecure",
				"Cookie.Insecure is set: tokens travel over plain HTTP, where whoever is on the way reads them.",
				"Serve HTTPS and leave Insecure out; it is for development.")
		}
		switch {
		case k.Domain != "":
			warn("cookie-domain",
				fmt.Sprintf("Cookie.Domain is %q: each host in it receives the tokens, so whoever controls one of them can use the sessions. Each can also set the cookie, and so choose whose session a visitor uses (session fixation).", k.Domain),
				"Leave Cookie.Domain out and use the default name, which rules both out. If several hosts have to share sessions, see to it that all in the domain can be trusted with them.")
		case !k.Insecure && !strings.HasPrefix(k.Name, "__Host-"):
			remedy := "Use a name that begins with __Host-, such as the default."
			if k.Path != "/" {
				remedy = "Leave Cookie.Path out and use a name that begins with __Host-, such as the default."
			}
			warn("cookie-unprefixed",
				fmt.Sprintf("The cookie's name is %q: pages on sibling subdomains can set a cookie of that name, and so choose whose session a visitor uses.", k.Name),
				remedy)
		}
	}
	if c.SweepEvery < 0 {
		warn("sweep-off",
			"Config.SweepEvery is negative: this manager has nothing removed that is over.",
			"Let one manager on the store sweep, or run the store's Sweep from time to time.")
	}
	all = append(all, clockProblems(c)...)
	if p := m.clash.Load(); p != nil {
		all = append(all, *p)
	}
	if c.NotBefore.After(m.now()) {
		all = append(all, driver.Problem{
			Code: "not-before-future", Severity: driver.SeverityFail,
			Meaning: fmt.Sprintf("Config.NotBefore is %v, which is still to come: all tokens are refused until then, those that are handed out now as well.", c.NotBefore),
			Remedy:  "Set it to a time that is past.",
		})
	}
	imports, err := m.importProblems(ctx)
	return append(all, imports...), err
}

// ledgerProblems returns the problem that so many faults of ledgers were met, if there
// were any.
func ledgerProblems(faults int64) []driver.Problem {
	if faults == 0 {
		return nil
	}
	return []driver.Problem{{
		Code: "ledger-faults", Severity: driver.SeverityWarn,
		Meaning: fmt.Sprintf("Since this process began it met %d faults of ledgers, which say who is signed in where: they were unreadable, named another principal's session, or lacked one.", faults),
		Remedy:  "Find out what deletes, restores or edits records in the store; Events.LedgerFault and the log name the principals. RevokeAll works nevertheless, and Admin.RebuildLedger enters what ledgers lack.",
	}}
}

// importProblems returns the problems of Config.Import.
func (m *Manager) importProblems(ctx context.Context) ([]driver.Problem, error) {
	im := m.config.Import
	if im == nil {
		return nil, nil
	}
	all := m.imports.problems()
	name := im.From.Name()
	stored, err := m.records.ImportEnd(ctx, name)
	switch {
	case err != nil:
		return nil, err
	case !m.now().Before(im.Until):
		all = append(all, driver.Problem{
			Code: "import-over", Severity: driver.SeverityWarn,
			Meaning: fmt.Sprintf("The imports of %q ended at %v: foreign cookies aren't looked at any more.", name, im.Until),
			Remedy:  "Take Config.Import out, and delete the foreign sessions that are left.",
		})
	case !stored.IsZero() && stored.Before(im.Until):
		all = append(all, driver.Problem{
			Code: "import-until", Severity: driver.SeverityWarn,
			Meaning: fmt.Sprintf("Config.Import.Until is %v, but a process had %v for %q, and imports end then: what keeps a session from being imported twice lasts no longer.", im.Until, stored, name),
			Remedy:  fmt.Sprintf("Set Until to %v. Visitors who come later sign in again.", stored),
		})
	}
	return all, nil
}

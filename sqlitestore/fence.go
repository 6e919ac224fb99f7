package sqlitestore

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the fence: triggers, which are a part of the file. Every statement that
// writes meets them, also those of other programs and of earlier versions, and without a
// fence they cost nothing. They are made in a transaction, so that each write is either
// before it or fails.

// fenceMark begins the message of the triggers.
const fenceMark = "cloakroom: writes are refused since "

// fenceTriggers are the names of the triggers, by what they refuse.
var fenceTriggers = map[string]string{
	"INSERT": "cloakroom_fence_insert", "UPDATE": "cloakroom_fence_update", "DELETE": "cloakroom_fence_delete",
}

// Fence has the file refuse all writes; see driver.Fencer.
func (s *Store) Fence(ctx context.Context, since time.Time) error {
	return s.define(ctx, "fence", func(verb, name string) string {
		return fmt.Sprintf("CREATE TRIGGER IF NOT EXISTS %s BEFORE %s ON records BEGIN SELECT RAISE(ABORT, '%s%s, as the sessions move to another store'); END",
			name, verb, fenceMark, since.UTC().Format(time.RFC3339Nano))
	})
}

// Unfence has the file take writes again; see driver.Fencer.
func (s *Store) Unfence(ctx context.Context) error {
	return s.define(ctx, "unfence", func(_, name string) string { return "DROP TRIGGER IF EXISTS " + name })
}

// define runs a statement for each of the triggers, all in one transaction.
func (s *Store) define(ctx context.Context, name string, sql func(verb, name string) string) error {
	_, err := s.save(ctx, item{op: func(w *writer) (outcome, error) {
		for verb, trigger := range fenceTriggers {
			if err := execute(w.conn, sql(verb, trigger)); err != nil {
				return outcome{}, err
			}
		}
		return outcome{}, nil
	}})
	if err != nil {
		return s.fail(name, driver.ID{}, err)
	}
	return nil
}

// fenceSince finds the time in a trigger.
var fenceSince = regexp.MustCompile(regexp.QuoteMeta(fenceMark) + `([^,']+)`)

// Fenced returns since when the file is fenced; see driver.Fencer.
func (s *Store) Fenced(ctx context.Context) (since time.Time, err error) {
	since, triggers, err := s.fence(ctx)
	if err == nil && triggers > 0 && triggers < len(fenceTriggers) {
		err = fmt.Errorf("%w: %d of the %d triggers that fence %s are missing, so it takes some writes; fence it again, or end the fence: cloakroom copy --unfence --from sqlite:%s",
			driver.ErrUnavailable, len(fenceTriggers)-triggers, len(fenceTriggers), s.path, s.path)
	}
	if err != nil {
		return time.Time{}, s.fail("fenced", driver.ID{}, err)
	}
	return since, nil
}

// fence returns since when the file is fenced, and how many triggers do it.
func (s *Store) fence(ctx context.Context) (since time.Time, triggers int, err error) {
	err = s.readers.long(ctx, func(r *reader) error {
		since, triggers = time.Time{}, 0
		return r.each("SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'cloakroom\\_fence\\_%' ESCAPE '\\'", nil, func(stmt *sqlite.Stmt) bool {
			triggers++
			if found := fenceSince.FindStringSubmatch(stmt.ColumnText(0)); found != nil {
				since, _ = time.Parse(time.RFC3339, found[1])
			}
			return true
		})
	})
	if triggers > 0 && since.IsZero() {
		since = time.Unix(0, 0).UTC() // somebody has edited them
	}
	return since, triggers, err
}

// fenceProblem tells of a fence, also of a part of one.
func (s *Store) fenceProblem(ctx context.Context) []driver.Problem {
	since, _, err := s.fence(ctx)
	if err != nil || since.IsZero() {
		return nil
	}
	return []driver.Problem{{
		Code: "writes-fenced", Severity: driver.SeverityFail,
		Meaning: fmt.Sprintf("The file takes no writes since %s, as its sessions move to another store. What has to be saved is an outage.", since.Format(time.RFC3339)),
		Remedy:  "Start the application on the other store, and stop it here. To give the move up, as long as nothing uses the other store, run cloakroom copy --unfence.",
	}}
}

// isFence reports whether an error is that of a fence's trigger.
func isFence(err error) bool {
	return sqlite.ErrCode(err) == sqlite.ResultConstraintTrigger && strings.Contains(err.Error(), fenceMark)
}

// fenced returns the error of a write that the fence refused.
func fenced(path string, err error) error {
	since := "some time"
	if found := fenceSince.FindStringSubmatch(err.Error()); found != nil {
		since = found[1]
	}
	return fmt.Errorf("%w: %s is fenced: it takes no writes since %s, as its sessions move to another store; "+
		"start the application on that one, or end the fence: cloakroom copy --unfence --from sqlite:%s",
		driver.ErrUnavailable, path, since, path)
}

package sqlitestore

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
)

// This file tells what Open would change in a file, for those who only want to look.

// Pending returns the steps by which Open would bring the schema of the file at path up to
// date, for people; none if that isn't needed. It changes nothing. A file that isn't there,
// or isn't a store's, is an error. A nil config means the defaults.
func Pending(ctx context.Context, path string, config *Config) (steps []string, err error) {
	if err := checkPath(path); err != nil {
		return nil, openError(path, err)
	}
	cfg := config.withDefaults()
	c, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return nil, openError(path, err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	c.SetBusyTimeout(0)
	err = retry(ctx, cfg.BusyTimeout, func() error {
		steps = nil
		if err := execute(c, "BEGIN"); err != nil {
			return err
		}
		err := pending(c, cfg, &steps)
		return errors.Join(err, execute(c, "ROLLBACK"))
	})
	if err != nil {
		return nil, openError(path, err)
	}
	return steps, nil
}

func pending(c *sqlite.Conn, cfg Config, steps *[]string) error {
	version, err := schemaVersion(c)
	switch {
	case err != nil:
		return err
	case version == 0:
		*steps = []string{"the table of records is made"}
		return nil
	case version < len(migrations):
		*steps = append(*steps, fmt.Sprintf("the schema is brought from version %d to %d", version, len(migrations)))
	}
	for _, a := range cfg.additions() {
		made, err := a.made(c)
		if err != nil {
			return err
		}
		if !made {
			*steps = append(*steps, fmt.Sprintf("%s is added", a.name))
		}
	}
	return nil
}

package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	_ "github.com/mattn/go-sqlite3" // the driver that the page of scs's store uses
)

// This file opens SQLite for a peer, with the settings of our store.

// connector opens connections that all have our settings. The driver's names of files can
// express only some of them.
type connector struct {
	by   driver.Driver
	file string
}

func openTuned(file string) (*sql.DB, error) {
	known, err := sql.Open("sqlite3", file)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector{known.Driver(), file})
	return db, known.Close()
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.by.Open(c.file)
	if err != nil {
		return nil, fmt.Errorf("go-sqlite3, which needs cgo and a C compiler: %w", err)
	}
	e, ok := conn.(driver.ExecerContext)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%T takes no settings", conn), conn.Close())
	}
	for _, s := range ourSettings {
		if _, err := e.ExecContext(ctx, "PRAGMA "+s, nil); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", s, err), conn.Close())
		}
	}
	return conn, nil
}

func (c connector) Driver() driver.Driver { return c.by }

// tuned fails unless the settings that matter most hold.
func tuned(ctx context.Context, db *sql.DB) error {
	for name, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "cache_size": "-32000", "wal_autocheckpoint": "2000", "temp_store": "2", "journal_size_limit": "16777216",
	} {
		var got string
		if err := db.QueryRowContext(ctx, "PRAGMA "+name).Scan(&got); err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s is %q in place of %q", name, got, want)
		}
	}
	return nil
}

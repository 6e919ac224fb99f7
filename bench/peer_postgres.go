package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"strconv"

	"github.com/alexedwards/scs/postgresstore"
	_ "github.com/lib/pq" // the driver that the store's own page uses
)

// This file starts PostgreSQL, and is the site on it.

const postgresSettings = "PostgreSQL on loopback, fsync on, synchronous_commit on, shared_buffers 256 MB; up to 64 connections kept open"

func (s *services) startPostgres(ctx context.Context) (_ *service, err error) {
	path, err := s.program(ctx, "postgresql", func() (string, error) { return firstOf("postgres", "/usr/lib/postgresql/*/bin/postgres") })
	if err != nil {
		return nil, err
	}
	as, err := postgresUser()
	if err != nil {
		return nil, err
	}
	dir, err := dataDir("postgres", as)
	if err != nil {
		return nil, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	data := filepath.Join(dir, "data")
	init := exec.CommandContext(ctx, filepath.Join(filepath.Dir(path), "initdb"), "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C")
	init.Dir, init.SysProcAttr = dir, asUser(as)
	if out, err := init.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w\n%s", err, lastPart(out)), remove())
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	d, err := startDaemon(dir, as, path, "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "max_connections=128", "-c", "shared_buffers=256MB")
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	stop := func() error { return errors.Join(d.stop(os.Interrupt), remove()) } // the interrupt is PostgreSQL's fast shutdown
	svc := &service{address: "postgres://bench@127.0.0.1:" + port + "/postgres?sslmode=disable", stop: stop}
	err = d.await(ctx, func(ctx context.Context) error {
		db, err := sql.Open("postgres", svc.address)
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		for _, name := range []string{"fsync", "synchronous_commit"} {
			var got string
			if err := db.QueryRowContext(ctx, "SHOW "+name).Scan(&got); err != nil {
				return err
			}
			if got != "on" {
				return fmt.Errorf("%s is %q", name, got)
			}
		}
		var version string
		err = db.QueryRowContext(ctx, "SHOW server_version").Scan(&version)
		svc.version = "PostgreSQL " + version
		return err
	})
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	return svc, nil
}

// postgresUser returns the user that the server runs as, since it refuses to be root.
func postgresUser() (*user, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil: our own user
	}
	u, err := osuser.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMissing, err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	return &user{uid, gid}, err
}

// postgresSite is scs on PostgreSQL, with the table that its documentation gives.
func postgresSite(b *Bench) (*site, error) {
	svc, err := b.get(b, needPostgres)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("postgres", svc.address)
	if err != nil {
		return nil, err
	}
	b.Cleanup(db.Close)
	db.SetMaxOpenConns(64)
	db.SetMaxIdleConns(64)
	if _, err := db.ExecContext(b, `DROP TABLE IF EXISTS sessions;
		CREATE TABLE sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL);
		CREATE INDEX sessions_expiry_idx ON sessions (expiry)`); err != nil {
		return nil, err
	}
	store := postgresstore.NewWithCleanupInterval(db, 0)
	return newSite("scs+postgres", postgresSettings, newSCS(store)), nil
}

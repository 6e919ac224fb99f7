package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/alexedwards/scs/sqlite3store"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/gorilla/sessions"

	ourmem "github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the sites that need no service.

// The sites that need no service.

func memorySite(b *Bench) (*site, error) {
	store := ourmem.New(nil)
	b.Cleanup(store.Close)
	l, err := newOurs(b, store)
	return newSite("cloakroom+memory", "in memory, no durability", l), err
}

const sqliteSettings = "SQLite without C, WAL, synchronous=FULL: a save returns after the fsync it shares"

// wholeSQLite are those of our store when it keeps no copies.
const wholeSQLite = sqliteSettings + "; without copies: each read reads the file"

func sqliteSite(b *Bench) (*site, error) {
	store, _, err := b.sqliteStore(withCopies)
	if err != nil {
		return nil, err
	}
	l, err := newOurs(b, store)
	return newSite("cloakroom+sqlite", sqliteSettings, l), err
}

// scs's stores are made without their goroutine that removes expired sessions. Nothing
// expires here, and stopping the goroutine races with its start.

func scsMemorySite(*Bench) (*site, error) {
	return newSite("scs+memory", "in memory, no durability", newSCS(memstore.NewWithCleanupInterval(0))), nil
}

// scsSQLiteSite is scs on SQLite, with a number of connections. One is the fastest for
// saves, since writers then wait in a queue rather than for SQLite's lock. More let
// reads go on beside a save.
func scsSQLiteSite(connections int) func(b *Bench) (*site, error) {
	return func(b *Bench) (*site, error) {
		dir, err := b.tempDir()
		if err != nil {
			return nil, err
		}
		db, err := openTuned("file:" + filepath.Join(dir, "scs.db") + "?_journal_mode=WAL&_busy_timeout=10000&_txlock=immediate")
		if err != nil {
			return nil, err
		}
		b.Cleanup(db.Close)
		db.SetMaxOpenConns(connections)
		db.SetMaxIdleConns(connections)
		if err := tuned(b, db); err != nil {
			return nil, err
		}
		if _, err := db.ExecContext(b, `CREATE TABLE sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL);
			CREATE INDEX sessions_expiry_idx ON sessions (expiry)`); err != nil {
			return nil, err
		}
		store := sqlite3store.NewWithCleanupInterval(db, 0)
		settings := fmt.Sprintf("mattn/go-sqlite3 (C), WAL, synchronous=FULL, cache and checkpoints as ours, connections: %d", connections)
		return newSite(fmt.Sprintf("scs+sqlite-%dconn", connections), settings, newSCS(store)), nil
	}
}

func gorillaCookieSite(*Bench) (*site, error) {
	store := sessions.NewCookieStore(gorillaKey)
	return newSite("gorilla+cookie", "the session is in the cookie, signed: nothing is stored, and nothing can be revoked", gorilla{store}), nil
}

func gorillaFileSite(b *Bench) (*site, error) {
	dir, err := b.tempDir()
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, err
	}
	return newSite("gorilla+files", "a file for each session, no fsync", gorilla{sessions.NewFilesystemStore(dir, gorillaKey)}), nil
}

func fiberSite(*Bench) (*site, error) { return newFiberSite(), nil }

var gorillaKey = bytes.Repeat([]byte{9}, 32)

package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// This file is Open: it checks the path, makes the file and opens its connections.

// Open opens the store in the file at path. If the file isn't there, Open creates it,
// readable for its owner alone. Several stores, in several processes, may have the same
// file open; Open waits for them until ctx ends. Open fails if path is no place for a
// file, if the file isn't a store's or is of a later version, or if it can't be read and
// written.
//
// A nil config means the defaults.
func Open(ctx context.Context, path string, config *Config) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, openError(path, err)
	}
	cfg := config.withDefaults()
	if err := checkPath(path); err != nil {
		return nil, openError(path, err)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, openError(path, err)
	}
	if err := createFile(path); err != nil {
		return nil, openError(path, err)
	}
	warnOfMode(path, cfg.Logger)
	w, err := openWriter(ctx, path, cfg)
	if err != nil {
		return nil, openError(path, err)
	}
	readers := newPool(cfg.Readers, cfg.BusyTimeout)
	for range cfg.Readers {
		err := retry(ctx, cfg.BusyTimeout, func() error { return readers.add(path) })
		if err != nil {
			_, _ = readers.close(), w.conn.Close()
			return nil, openError(path, err)
		}
	}
	return newStore(path, cfg, w, readers), nil
}

// checkPath refuses names for which SQLite would not make a file of that name.
func checkPath(path string) error {
	const instead = "; for sessions in memory use package memstore"
	switch {
	case path == "":
		return refusal("an empty path is no file" + instead)
	case path == ":memory:":
		return refusal("it is no file" + instead)
	case strings.HasPrefix(path, "file:"):
		return refusal("it is a URI, but a path is wanted" + instead)
	case strings.ContainsRune(path, 0):
		return refusal("it has a NUL in it")
	}
	return nil
}

// creating lets one createFile run at a time. See there.
var creating sync.Mutex

// createFile makes the file, if it isn't there yet, with mode 0600 whatever the umask.
// SQLite would make it readable for all. SQLite gives the files beside it, -wal and
// -shm, the same mode.
//
// When a process closes a file it loses all its locks on it, even those that SQLite took
// through another descriptor. So createFile opens new files only, before anybody can
// have locks, and one at a time: nobody sees the file before it is closed. No other code
// of this package opens it.
func createFile(path string) error {
	creating.Lock()
	defer creating.Unlock()
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return refusal("it is a folder; name a file in it")
	case err == nil && !info.Mode().IsRegular():
		return refusal("it is not a regular file")
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return refusal(fmt.Sprintf("it can't be looked at: %v", unwrapPath(err)))
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil // another process was faster
	case errors.Is(err, fs.ErrNotExist) && isFolder(filepath.Dir(path)): // such as /proc
		return refusal(fmt.Sprintf("no file can be made in its folder %s; choose another", filepath.Dir(path)))
	case errors.Is(err, fs.ErrNotExist):
		return refusal(fmt.Sprintf("its folder %s is not there; create it first", filepath.Dir(path)))
	case err != nil:
		return refusal(fmt.Sprintf("it can't be created; check the permissions of its folder: %v", unwrapPath(err)))
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// warnOfMode warns if others than its owner have permissions on a file that existed: it
// holds everybody's values. It doesn't change them, since they may be intended.
func warnOfMode(path string, l *slog.Logger) {
	if info, err := os.Stat(path); err == nil && isShared(info) {
		l.Warn("sqlitestore: others than its owner have permissions on the file, which holds what is in all sessions: run chmod 600 on it and on those beside it, -wal and -shm", "file", path, "mode", info.Mode().Perm())
	}
}

// isShared reports whether others than its owner have permissions on a file. On Windows
// it is always false: there the folder decides.
func isShared(info os.FileInfo) bool {
	return info.Mode().Perm()&0o077 != 0 && filepath.Separator == '/'
}

// unwrapPath removes the path from an error whose message names it elsewhere.
func unwrapPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

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

// Open opens the store in the file at path and creates the file, readable for
// its owner alone, if it isn't there. Several stores, in several processes, may
// have the same file open. The context bounds how long Open waits for them.
//
// A nil config stands for the zero Config, which is made for production.
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

// checkPath refuses what SQLite would not keep in a file of this name.
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

// creating makes createFile wait for itself. See there.
var creating sync.Mutex

// createFile makes the file, with mode 0600 whatever the umask, if it isn't
// there yet. SQLite would make it readable for all; and it gives the files
// beside it, -wal and -shm, the mode that it finds.
//
// Closing a file drops all locks that the process has on it, even those that
// SQLite took through another descriptor. So this happens to new files only,
// before anybody can have one, and to one at a time: nobody gets to see the
// file before it was closed. No other code of this package ever opens it.
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

// warnOfMode tells of a file that was there and that others than its owner have
// permissions on: it holds everybody's values. It is not changed, as somebody may have
// meant it.
func warnOfMode(path string, l *slog.Logger) {
	if info, err := os.Stat(path); err == nil && isShared(info) {
		l.Warn("sqlitestore: others than its owner have permissions on the file, which holds what is in all sessions: run chmod 600 on it and on those beside it, -wal and -shm", "file", path, "mode", info.Mode().Perm())
	}
}

// isShared reports whether others than its owner have permissions on a file. On Windows
// the folder decides.
func isShared(info os.FileInfo) bool {
	return info.Mode().Perm()&0o077 != 0 && filepath.Separator == '/'
}

// unwrapPath spares a message the path, which it has already.
func unwrapPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

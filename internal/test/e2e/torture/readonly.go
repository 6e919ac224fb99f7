package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// sqliteReadOnly has the file made read-only under the processes' hands. The
// kernel doesn't make a file system read-only while files are open for writing,
// but for errors of the disk, and then for good until it is mounted anew. So the
// files get the attribute "immutable", which open files feel too. The index of
// the log, -shm, is spared: it is memory that is shared, and its loss would be
// that of the processes.
func sqliteReadOnly(ctx context.Context, r *Run) error {
	dir := r.TempDir()
	if err := immutableWorks(ctx, filepath.Join(dir, "probe")); err != nil {
		r.lacks("root, chattr, and TMPDIR in a file system that heeds it for open files, such as ext4", err)
	}
	s := startSQLite(r, dir, 2)
	set := func(flag string) error { return tool(context.Background(), "chattr", flag, s.path, s.path+"-wal") }
	return s.suffer(ctx, "the file was immutable",
		func() error { return set("+i") },
		func() error { return set("-i") })
}

// immutableWorks says why an immutable file doesn't refuse those who have it
// open.
func immutableWorks(ctx context.Context, path string) (err error) {
	f, err := os.Create(path) //nolint:gosec // a path of ours
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := tool(ctx, "chattr", "+i", path); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tool(context.Background(), "chattr", "-i", path)) }()
	if _, err := f.WriteString("x"); !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("writing to an immutable file: %v", err) //nolint:errorlint // mostly none
	}
	return nil
}

package workload_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// childFile names the file that this process works on for another one that
// spawned it, in place of running tests.
const childFile = "CLOAKROOM_WORKLOAD_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		if err := serveFile(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	leaktest.Main(m)
}

// serveFile is a child process that works on an SQLite file.
func serveFile(path string) error {
	store, err := sqlitestore.Open(context.Background(), path, &sqlitestore.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer store.Close()
	keyring, err := workload.Keyring()
	if err != nil {
		return err
	}
	l, err := workload.NewLocal("child", store, keyring, workload.Config())
	if err != nil {
		return err
	}
	defer l.Close()
	return workload.Serve(os.Stdin, os.Stdout, l)
}

// spawn starts a child process that works on an SQLite file.
func spawn(t *testing.T, name, path string) *workload.Child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFile+"="+path)
	cmd.Stderr = os.Stderr
	c, err := workload.Spawn(name, cmd)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

package scsstore_test

import (
	"context"
	"database/sql"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/alexedwards/scs/sqlite3store"
	"github.com/alexedwards/scs/v2"

	"github.com/cloakroom-go/cloakroom"
	scsstore "github.com/cloakroom-go/cloakroom/adapters/scs"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is the processes of an application that is switched from scs to cloakroom:
// what it was before, and what it is after. Both keep their sessions in a folder.

// siteEnv has the test binary serve the old or the new application in place of running
// tests: "old" or "new", a colon, and the folder. untilEnv is the end of imports.
const (
	siteEnv  = "CLOAKROOM_TEST_SITE"
	untilEnv = "CLOAKROOM_TEST_UNTIL"
)

// shown is what each page of both applications shows.
type shown struct {
	New    bool // which application it is
	User   string
	Items  []int
	Wishes wishes
	Since  time.Time
	Photo  []byte
	Big    int64
}

type wishes struct {
	Text  string
	Until map[string]time.Time
}

func init() {
	gob.Register(wishes{})
	gob.Register([]int{})
	gob.Register(time.Time{})
}

// gifts are the values that a sign-in at the old application sets.
func gifts(user string) shown {
	at := time.Date(2026, 11, 30, 12, 0, 0, 123456789, time.UTC)
	return shown{
		User: user, Since: at, Photo: []byte(user + "\x00\xff"), Big: 1<<62 + 1,
		Wishes: wishes{"of " + user, map[string]time.Time{"x": at.Add(time.Hour)}},
	}
}

// serveSite serves an application until standard input ends. It prints a line with its
// address.
func serveSite(kind, dir string) (err error) {
	oldDB, err := openOldDB(filepath.Join(dir, "old.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, oldDB.Close()) }()
	var site http.Handler
	if kind == "old" {
		site = oldSite(oldManager(oldDB))
	} else {
		db, err := sqlitestore.Open(context.Background(), filepath.Join(dir, "new.db"), nil)
		if err != nil {
			return err
		}
		defer db.Close()
		m, err := newManager(oldManager(oldDB), db, filepath.Join(dir, "keys"))
		if err != nil {
			return err
		}
		defer m.Close()
		site = newSite(m)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("serving", l.Addr())
	server, stopped := &http.Server{Handler: site}, make(chan error)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stopped <- server.Shutdown(context.Background())
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// oldManager is the session manager of the application before, which the one after
// imports from.
func oldManager(db *sql.DB) *scs.SessionManager {
	old := scs.New()
	old.Store = sqlite3store.NewWithCleanupInterval(db, 0)
	old.HashTokenInStore = true
	old.IdleTimeout = time.Hour // so each request saves
	old.Cookie.Name = "old"
	return old
}

func oldSite(old *scs.SessionManager) http.Handler {
	mux := http.NewServeMux()
	page := func(path string, f func(ctx context.Context, r *http.Request) error) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if err := f(r.Context(), r); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			ctx := r.Context()
			s := shown{
				User: old.GetString(ctx, "user"), Since: old.GetTime(ctx, "since"), Photo: old.GetBytes(ctx, "photo"), Big: old.GetInt64(ctx, "big"),
			}
			s.Items, _ = old.Get(ctx, "items").([]int)
			s.Wishes, _ = old.Get(ctx, "wishes").(wishes)
			_ = json.NewEncoder(w).Encode(s)
		})
	}
	page("/in", func(ctx context.Context, r *http.Request) error {
		s := gifts(r.FormValue("user"))
		for name, v := range map[string]any{"user": s.User, "since": s.Since, "photo": s.Photo, "big": s.Big, "wishes": s.Wishes} {
			old.Put(ctx, name, v)
		}
		return old.RenewToken(ctx)
	})
	page("/add", func(ctx context.Context, r *http.Request) error {
		items, _ := old.Get(ctx, "items").([]int)
		old.Put(ctx, "items", withItem(items, r))
		return nil
	})
	page("/out", func(ctx context.Context, _ *http.Request) error { return old.Destroy(ctx) })
	page("/", func(context.Context, *http.Request) error { return nil })
	return old.LoadAndSave(mux)
}

// withItem returns items and the one that a request adds. The request may be a repeated
// one.
func withItem(items []int, r *http.Request) []int {
	n, err := strconv.Atoi(r.FormValue("n"))
	if err != nil || slices.Contains(items, n) {
		return items
	}
	return append(slices.Clip(items), n)
}

var (
	itemsKey  = cloakroom.NewKey[[]int]("items")
	sinceKey  = cloakroom.NewKey[time.Time]("since")
	photoKey  = cloakroom.NewKey[[]byte]("photo")
	bigKey    = cloakroom.NewKey[int64]("big")
	wishesKey = cloakroom.NewKey[wishes]("wishes")
)

func newManager(old *scs.SessionManager, db cloakroom.Store, keys string) (*cloakroom.Manager, error) {
	keyring, err := cloakroom.KeyringFile(keys)
	if err != nil {
		return nil, err
	}
	importer, err := scsstore.NewImporter(old, nil)
	if err != nil {
		return nil, err
	}
	if err := importer.CheckQuiet(context.Background(), 100*time.Millisecond); err != nil {
		return nil, err
	}
	until, err := time.Parse(time.RFC3339, os.Getenv(untilEnv))
	if err != nil {
		return nil, err
	}
	return cloakroom.New(db, keyring, &cloakroom.Config{
		Transport: cloakroom.Cookie{Name: "new", Insecure: true},
		Events: &cloakroom.Events{Imported: func(_ context.Context, info cloakroom.Info) {
			fmt.Println("imported", info.ID)
		}},
		Import: &cloakroom.Import{
			From: importer, Until: until,
			Principal: func(_ context.Context, values cloakroom.Reader) (string, error) { return userKey.Get(values), nil },
		},
	})
}

func newSite(m *cloakroom.Manager) http.Handler {
	mux := http.NewServeMux()
	page := func(path string, f func(r *http.Request, s *cloakroom.Session) error) {
		mux.Handle(path, m.With(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			if err := f(r, s); err != nil {
				return err
			}
			return json.NewEncoder(w).Encode(shown{
				New: true, User: s.Principal(), Items: itemsKey.Get(s), Since: sinceKey.Get(s),
				Photo: photoKey.Get(s), Big: bigKey.Get(s), Wishes: wishesKey.Get(s),
			})
		}))
	}
	page("/add", func(r *http.Request, s *cloakroom.Session) error {
		itemsKey.Update(s, func(items []int) []int { return withItem(items, r) })
		return nil
	})
	page("/out", func(r *http.Request, s *cloakroom.Session) error { return s.Destroy(r.Context()) })
	page("/", func(*http.Request, *cloakroom.Session) error { return nil })
	return m.Handler(mux)
}

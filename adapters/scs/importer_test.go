package scsstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/scs/sqlite3store"
	"github.com/alexedwards/scs/v2"
	_ "modernc.org/sqlite" // which needs no C

	"github.com/cloakroom-go/cloakroom"
	scsstore "github.com/cloakroom-go/cloakroom/adapters/scs"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests imports as visitors see them: from each kind of store, and with what
// they had.

// openOldFile opens a file for scs's sqlite3store, by a driver without C.
func openOldFile(t testing.TB, path string) *sqlite3store.SQLite3Store {
	t.Helper()
	db, err := openOldDB(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return sqlite3store.NewWithCleanupInterval(db, 0)
}

// openOldDB opens such a file, and makes the table that sqlite3store's README asks for.
func openOldDB(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(path)+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	_, err = db.Exec(`CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL);
		CREATE INDEX IF NOT EXISTS sessions_expiry_idx ON sessions(expiry)`)
	if err != nil {
		db.Close()
	}
	return db, err
}

func TestImport(t *testing.T) {
	stores := []struct {
		name string
		open func(t *testing.T) scs.Store
	}{
		{"without contexts", func(*testing.T) scs.Store { return newOldStore() }},
		{"with contexts", func(*testing.T) scs.Store { return ctxOnly{newOldStore()} }},
		{"sqlite3store", func(t *testing.T) scs.Store { return openOldFile(t, filepath.Join(t.TempDir(), "old.db")) }},
		{"scsstore", func(t *testing.T) scs.Store { return newStore(t, memstore.New(nil), scsstore.Config{}) }},
	}
	for _, st := range stores {
		for _, hash := range []bool{false, true} {
			for _, codec := range []scs.Codec{scs.GobCodec{}, jsonCodec{}} {
				t.Run(fmt.Sprintf("%s hash=%v %T", st.name, hash, codec), func(t *testing.T) {
					old := newOld(st.open(t), func(old *scs.SessionManager) { old.HashTokenInStore, old.Codec = hash, codec })
					testImport(t, old)
				})
			}
		}
	}
}

func testImport(t *testing.T, old *scs.SessionManager) {
	v := newTraveller(t)
	v.signsInAtOld(old)
	m := newNew(t, newImporter(t, old, nil), nil)
	kept := v.with("old")
	left := newTraveller(t)
	left.signsInAtOld(old)
	leaver := left.with("old")
	left.atOld(old, func(ctx context.Context) {
		if err := old.Destroy(ctx); err != nil {
			t.Error(err)
		}
	})

	v.atNew(m, http.StatusOK, put("milk"))
	if v.cookies["old"] != "" || v.cookies["new"] == "" {
		t.Errorf("the import leaves the cookies %v", v.cookies)
	}
	v.wantAtNew(m, "ann", "tea", "milk")
	kept.with("old").atOld(old, func(ctx context.Context) {
		if old.GetString(ctx, "user") != "" {
			t.Error("the old session is still there")
		}
	})
	leaver.wantAtNew(m, "")
	v.atNew(m, http.StatusOK, signOut)
	kept.wantAtNew(m, "")
	if list, err := m.Admin().Sessions(t.Context(), "ann"); err != nil || len(list) != 0 {
		t.Errorf("ann has %d sessions, error %v", len(list), err)
	}
}

// The new cookie may have the name of the old one, as both libraries' default without
// HTTPS is.
func TestImportUnderOneName(t *testing.T) {
	old := newOld(newOldStore(), nil)
	v := newTraveller(t)
	v.signsInAtOld(old)
	m := newNew(t, newImporter(t, old, nil), func(c *cloakroom.Config) { c.Transport = cloakroom.Cookie{Name: "old", Insecure: true} })
	v.atNew(m, http.StatusOK, put("milk"))
	v.wantAtNew(m, "ann", "tea", "milk")
	v.atNew(m, http.StatusOK, signOut)
	v.wantAtNew(m, "")
}

func TestImportFind(t *testing.T) {
	i := newImporter(t, newOld(newOldStore(), nil), nil)
	token := strings.Repeat("A", 42)
	find := func(cookies ...string) (cloakroom.ForeignToken, error) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for _, c := range cookies {
			r.Header.Add("Cookie", c)
		}
		return i.Find(r)
	}
	for _, c := range []struct {
		name    string
		cookies []string
		want    string // "": none
	}{
		{"none", nil, ""},
		{"another name", []string{"session=" + token + "A"}, ""},
		{"a token", []string{"old=" + token + "A"}, token + "A"},
		{"in quotes, as net/http reads it", []string{`old="` + token + `A"`}, token + "A"},
		{"the first of two", []string{"old=" + token + "E; old=" + token + "A"}, token + "E"},
		{"another library's first", []string{"old=x; old=" + token + "A"}, ""}, // scs doesn't look further either
		{"too short", []string{"old=" + token}, ""},
		{"too long", []string{"old=" + token + "AA"}, ""},
		{"not base64url", []string{"old=" + token + "+"}, ""},
		{"bits that scs leaves at zero", []string{"old=" + token + "B"}, ""},
		{"a Manager's token", []string{"old=" + strings.Repeat("A", 67)}, ""},
	} {
		got, err := find(c.cookies...)
		switch {
		case c.want == "" && (!errors.Is(err, cloakroom.ErrNotFound) || errors.Is(err, cloakroom.ErrForged)):
			t.Errorf("%s: got %v, want ErrNotFound", c.name, err)
		case c.want != "" && (err != nil || got.Credential != c.want):
			t.Errorf("%s: got %v", c.name, err)
		case strings.Contains(got.ID, token):
			t.Errorf("%s: the id tells the token", c.name)
		}
	}
	upper, _ := find("old=" + token + "A")
	lower, _ := find("old=" + strings.ToLower(token) + "A")
	if upper.ID != lower.ID || upper.Credential == lower.Credential {
		t.Error("a store that ignores case would have its session imported twice, or under a token that isn't its own")
	}
}

func TestImportForget(t *testing.T) {
	old := newOld(newOldStore(), func(old *scs.SessionManager) {
		old.Cookie.Domain, old.Cookie.Path, old.Cookie.Secure, old.Cookie.SameSite = "shop.example", "/shop", true, http.SameSiteStrictMode
	})
	i := newImporter(t, old, nil)
	h := http.Header{"Set-Cookie": {"new=x; Path=/"}}
	i.Forget(h)
	const want = "old=; Path=/shop; Domain=shop.example; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly; Secure; SameSite=Strict"
	if got := h["Set-Cookie"]; len(got) != 2 || got[1] != want {
		t.Errorf("got %q, want %q beside what was there", got, want)
	}
	h = http.Header{"Set-Cookie": {"old=x; Path=/"}}
	i.Forget(h)
	if got := h["Set-Cookie"]; len(got) != 1 {
		t.Errorf("a new cookie of the same name would be dropped: %q", got)
	}
}

// TestImportTimes: visitors come back when their old sessions would still be there, and
// the Manager's own rules are stricter.
func TestImportTimes(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name       string
		idle       time.Duration
		persist    bool
		remember   any
		before     time.Duration // until the visitor comes to the new application
		away       time.Duration // and then comes again
		persistent bool
		stays      bool
	}{
		{"no idle timeout", 0, true, nil, 10 * day, 15 * day, true, true},
		{"no idle timeout, to the deadline", 0, true, nil, 10 * day, 20*day + time.Second, true, false},
		{"an idle timeout", 3 * day, true, nil, 2 * day, 2 * day, true, true},
		{"an idle timeout that runs out", 3 * day, true, nil, 2 * day, 4 * day, true, false},
		{"a cookie for the browser's run", 0, false, nil, day, 20 * day, false, true},
		{"remembered", 0, false, true, day, 20 * day, true, true},
		{"not remembered", 0, false, false, day, 20 * day, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			old := newOld(newOldStore(), func(old *scs.SessionManager) {
				old.Lifetime, old.IdleTimeout, old.Cookie.Persist = 30*day, c.idle, c.persist
			})
			synctest.Test(t, func(t *testing.T) {
				m := newNew(t, newImporter(t, old, nil), func(c *cloakroom.Config) { c.IdleTimeout = time.Hour })
				v := newTraveller(t)
				v.signsInAtOld(old)
				var deadline time.Time
				v.atOld(old, func(ctx context.Context) {
					deadline = old.Deadline(ctx).Truncate(time.Millisecond)
					if c.remember != nil {
						old.RememberMe(ctx, c.remember.(bool))
					}
				})
				time.Sleep(c.before) // of the bubble
				v.atNew(m, http.StatusOK, func(_ context.Context, s *cloakroom.Session) error {
					if info := s.Info(); !info.Deadline.Equal(deadline) || info.Persistent != c.persistent {
						t.Errorf("deadline %v, persistent %v, want %v, %v", info.Deadline, info.Persistent, deadline, c.persistent)
					}
					if names := slices.Collect(s.Names()); len(names) != 2 {
						t.Errorf("the session has the values %q", names)
					}
					return nil
				})
				time.Sleep(c.away)
				if c.stays {
					v.wantAtNew(m, "ann", "tea")
				} else {
					v.wantAtNew(m, "")
				}
			})
		})
	}
}

func TestNewImporter(t *testing.T) {
	for _, c := range []struct {
		name string
		old  *scs.SessionManager
		want string
	}{
		{"nil", nil, "is nil"},
		{"no store", newOld(nil, nil), "no Store"},
		{"no codec", newOld(newOldStore(), func(old *scs.SessionManager) { old.Codec = nil }), "no Codec"},
		{"no name", newOld(newOldStore(), func(old *scs.SessionManager) { old.Cookie.Name = "" }), "Cookie"},
	} {
		if _, err := scsstore.NewImporter(c.old, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
	old := newOld(newOldStore(), nil)
	if got := newImporter(t, old, nil).Name(); got != "scs old" {
		t.Errorf("the name is %q", got)
	}
	if got := newImporter(t, old, &scsstore.ImportOptions{Name: "shop"}).Name(); got != "shop" {
		t.Errorf("the name is %q", got)
	}
}

// A store that hangs holds a request for no longer than Config.SaveTimeout.
func TestImportFromStoreThatHangs(t *testing.T) {
	store := newOldStore()
	old := newOld(store, nil)
	synctest.Test(t, func(t *testing.T) {
		m := newNew(t, newImporter(t, old, nil), nil)
		v := newTraveller(t)
		v.signsInAtOld(old)
		again := make(chan struct{})
		store.before = func(string) error { <-again; return nil }
		begin := time.Now()
		v.atNew(m, http.StatusServiceUnavailable, put("milk"))
		if d := time.Since(begin); d > 5*time.Second {
			t.Errorf("the request took %v", d)
		}
		close(again)
		v.wantAtNew(m, "ann", "tea")
	})
}

// TestImportOutage: what the old store's error wraps doesn't matter.
func TestImportOutage(t *testing.T) {
	store := newOldStore()
	old := newOld(store, nil)
	m := newNew(t, newImporter(t, old, nil), nil)
	v := newTraveller(t)
	v.signsInAtOld(old)
	for _, err := range []error{errors.New("down"), driver.ErrNotFound, driver.ErrGone, cloakroom.ErrForged} {
		store.before = func(string) error { return err }
		v.atNew(m, http.StatusServiceUnavailable, put("milk"))
	}
	store.before = nil
	v.wantAtNew(m, "ann", "tea")
}

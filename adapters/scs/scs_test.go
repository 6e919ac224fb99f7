package scsstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"

	scsstore "github.com/cloakroom-go/cloakroom/adapters/scs"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests applications of scs: its SessionManager on a Store, and visitors.

// application is a process of an application on scs, and counts visits.
type application struct {
	*scs.SessionManager
	server *httptest.Server
	// during, if set, is called by the page /slow between its load and its end.
	during func()
}

func newApplication(t *testing.T, db driver.Store, hash bool) *application {
	t.Helper()
	a := &application{SessionManager: scs.New()}
	a.HashTokenInStore = hash
	a.IdleTimeout = time.Hour
	a.Store = newStore(t, db, scsstore.Config{Manager: a.SessionManager})
	a.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, err error) {
		if errors.Is(err, driver.ErrGone) {
			w.WriteHeader(http.StatusConflict)
		} else {
			t.Error(err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.Put(r.Context(), "visits", a.GetInt(r.Context(), "visits")+1)
		fmt.Fprint(w, a.GetString(r.Context(), "user"), " ", a.GetInt(r.Context(), "visits"))
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		a.Put(r.Context(), "visits", 1000)
		a.during()
		w.WriteHeader(http.StatusOK)
	})
	mux.HandleFunc("/in", func(_ http.ResponseWriter, r *http.Request) {
		if err := a.RenewToken(r.Context()); err != nil {
			t.Error(err)
		}
		a.Put(r.Context(), "user", "ann")
	})
	mux.HandleFunc("/out", func(_ http.ResponseWriter, r *http.Request) {
		if err := a.Destroy(r.Context()); err != nil {
			t.Error(err)
		}
	})
	a.server = httptest.NewServer(a.LoadAndSave(mux))
	t.Cleanup(a.server.Close)
	return a
}

// visitor is a browser. All processes of a test have the same host, and so its cookies.
type visitor struct{ *http.Client }

func newVisitor(t *testing.T) visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return visitor{&http.Client{Jar: jar}}
}

func (v visitor) get(t *testing.T, a *application, path string, status int) string {
	t.Helper()
	res, err := v.Get(a.server.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		t.Errorf("%s: status %d, want %d (%v)", path, res.StatusCode, status, err)
	}
	return string(body)
}

func TestApplication(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db driver.Store) {
		for _, hash := range []bool{false, true} {
			t.Run(fmt.Sprint("hash=", hash), func(t *testing.T) {
				one, two := newApplication(t, db, hash), newApplication(t, db, hash)
				v, other := newVisitor(t), newVisitor(t)
				want := func(a *application, v visitor, page string) {
					t.Helper()
					if got := v.get(t, a, "/", http.StatusOK); got != page {
						t.Errorf("%q, want %q", got, page)
					}
				}
				want(one, v, " 1")
				want(two, v, " 2")
				want(two, other, " 1")
				v.get(t, one, "/in", http.StatusOK)
				want(two, v, "ann 3")

				// Requests that had loaded the session before the visitor signed in again,
				// or out, change nothing and set no cookie.
				one.during = func() { v.get(t, two, "/in", http.StatusOK) }
				v.get(t, one, "/slow", http.StatusConflict)
				want(one, v, "ann 4")
				one.during = func() { v.get(t, two, "/out", http.StatusOK) }
				v.get(t, one, "/slow", http.StatusConflict)
				want(one, v, " 1")
				want(one, other, " 2")

				newVisitor(t).get(t, one, "/out", http.StatusOK) // without a session
			})
		}
	})
}

// With hashed tokens an application lists its sessions, and ends them by the hashes.
func TestIterate(t *testing.T) {
	a := newApplication(t, memstore.New(nil), true)
	ann, ben := newVisitor(t), newVisitor(t)
	ann.get(t, a, "/in", http.StatusOK)
	ben.get(t, a, "/", http.StatusOK)
	n := 0
	err := a.Iterate(t.Context(), func(ctx context.Context) error {
		n++
		if a.GetString(ctx, "user") == "ann" {
			return a.Store.Delete(a.Token(ctx))
		}
		return nil
	})
	if err != nil || n != 2 {
		t.Errorf("%d sessions, error %v", n, err)
	}
	if got := ann.get(t, a, "/", http.StatusOK); got != " 1" {
		t.Errorf("ended: %q", got)
	}
	if got := ben.get(t, a, "/", http.StatusOK); got != " 2" {
		t.Errorf("not ended: %q", got)
	}
}

package scsstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/alexedwards/scs/v2"

	scsstore "github.com/cloakroom-go/cloakroom/adapters/scs"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// An application on scs, whose sessions outlive it in an SQLite file.
func Example() {
	dir, err := os.MkdirTemp("", "example") // a folder that stays, in your program
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	visitor := newBrowser()

	for range 2 { // runs of a program
		db, err := sqlitestore.Open(context.Background(), filepath.Join(dir, "sessions.db"), nil)
		if err != nil {
			log.Fatal(err)
		}
		sessions := scs.New()
		sessions.HashTokenInStore = true
		store, err := scsstore.New(db, &scsstore.Config{Manager: sessions})
		if err != nil {
			log.Fatal(err)
		}
		sessions.Store = store
		sessions.ErrorFunc = answerError

		mux := http.NewServeMux()
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			n := sessions.GetInt(r.Context(), "visits") + 1
			sessions.Put(r.Context(), "visits", n)
			fmt.Fprintln(w, "visit", n)
		})
		site := httptest.NewServer(sessions.LoadAndSave(mux)) // http.ListenAndServe, in your program
		visitor.visit(site.URL)
		visitor.visit(site.URL)

		site.Close()
		store.Close()
		db.Close()
	}
	// Output:
	// visit 1
	// visit 2
	// visit 3
	// visit 4
}

// answerError tells a visitor whose session couldn't be read or saved what to do.
func answerError(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, driver.ErrGone): // signed out, or in, while this request was under way
		status = http.StatusConflict
	case errors.Is(err, driver.ErrUnavailable):
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "5")
	case errors.Is(err, driver.ErrTooLarge):
		status = http.StatusRequestEntityTooLarge
	}
	log.Printf("%s %s: %v", r.Method, r.URL.Path, err)
	http.Error(w, http.StatusText(status), status)
}

// browser is a visitor that keeps cookies.
type browser struct{ http.Client }

func newBrowser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	return &browser{http.Client{Jar: jar}}
}

func (b *browser) visit(url string) {
	res, err := b.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(os.Stdout, res.Body); err != nil {
		log.Fatal(err)
	}
}

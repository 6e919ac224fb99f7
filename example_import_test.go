package cloakroom_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the example of an import.

// oldShop is an Importer of a home-made library, which keeps JSON under a random id.
type oldShop map[string]string

func (oldShop) Name() string { return "old shop" }

func (oldShop) Find(r *http.Request) (t cloakroom.ForeignToken, err error) {
	k, err := r.Cookie("SHOPSESSION")
	if err != nil {
		return t, cloakroom.ErrNotFound
	}
	return cloakroom.ForeignToken{ID: k.Value, Credential: k.Value}, nil
}

func (o oldShop) Load(_ context.Context, t cloakroom.ForeignToken) (*cloakroom.ForeignSession, error) {
	text, ok := o[t.ID]
	if !ok {
		return nil, cloakroom.ErrNotFound
	}
	f := &cloakroom.ForeignSession{Version: text} // without versions, the content tells states apart
	return f, json.Unmarshal([]byte(text), &f.Values)
}

func (o oldShop) Retire(_ context.Context, t cloakroom.ForeignToken, version string) error {
	switch o[t.ID] {
	case version:
		delete(o, t.ID)
		return nil
	case "":
		return cloakroom.ErrNotFound // signed out there just now
	}
	return cloakroom.ErrConflict
}

func (oldShop) Forget(h http.Header) {
	h.Add("Set-Cookie", (&http.Cookie{Name: "SHOPSESSION", Path: "/", MaxAge: -1}).String())
}

// Visitors keep the sessions that the application's old library made.
func ExampleImport() {
	keyring, err := cloakroom.NewKeyring([]byte("only for examples, 32 bytes or more"))
	if err != nil {
		panic(err)
	}
	store := memstore.New(nil)
	defer store.Close()
	old := oldShop{"fd52": `{"user": "ann", "cart": ["coat"]}`}
	user, cart := cloakroom.NewKey[string]("user"), cloakroom.NewKey[[]string]("cart")
	sessions, err := cloakroom.New(store, keyring, &cloakroom.Config{Import: &cloakroom.Import{
		From:  old,
		Until: time.Now().AddDate(0, 0, 30), // a date in an application
		Principal: func(_ context.Context, v cloakroom.Reader) (string, error) {
			name, _, err := user.Lookup(v)
			return name, err
		},
	}})
	if err != nil {
		panic(err)
	}
	defer sessions.Close()
	h := sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, err := fmt.Fprintln(w, s.Principal(), cart.Get(s))
		return err
	})

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "SHOPSESSION", Value: "fd52"})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Print(w.Body)
	for _, k := range w.Result().Cookies() {
		fmt.Println(k.Name, k.MaxAge)
	}
	fmt.Println(len(old), "old sessions left")
	// Output:
	// ann [coat]
	// SHOPSESSION -1
	// __Host-Http-session 0
	// 0 old sessions left
}

package devices_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/devices"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the example of an application with a page of devices.

// An application's page of devices: a visitor ends the session on a phone that was lost.
func Example() {
	secret, _ := base64.StdEncoding.DecodeString("c2l4dGVlbi1ieXRlcy1hcmUtbm90LWVub3VnaC1mb3ItdGhpcw==")
	keyring, err := cloakroom.NewKeyring(secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	store := memstore.New(nil)
	defer store.Close()
	sessions, err := cloakroom.New(store, keyring, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sessions.Close()

	page, err := devices.New(sessions, "/sign-in?back={back}", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/account/devices", page)
	mux.Handle("/sign-in", sessions.With(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Login(r.Context(), "ann", nil) // once her password is checked
	}))
	app := sessions.Handler(mux)

	phone, laptop := new(exampleBrowser), new(exampleBrowser)
	phone.visit(app, http.MethodGet, "/sign-in", nil)
	laptop.visit(app, http.MethodGet, "/sign-in", nil)
	lost, err := sessions.Retrieve(context.Background(), phone.cookie.Value)
	if err != nil {
		fmt.Println(err)
		return
	}
	laptop.visit(app, http.MethodPost, "/account/devices", url.Values{"do": {"end"}, "id": {lost.ID().String()}})
	fmt.Println(phone.visit(app, http.MethodGet, "/account/devices", nil))
	fmt.Println(laptop.visit(app, http.MethodGet, "/account/devices", nil))
	// Output:
	// 303 See Other
	// 200 OK
}

// exampleBrowser keeps one cookie.
type exampleBrowser struct{ cookie *http.Cookie }

func (b *exampleBrowser) visit(app http.Handler, method, path string, form url.Values) string {
	r := httptest.NewRequest(method, "https://shop.example"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		b.cookie = c
	}
	return w.Result().Status
}

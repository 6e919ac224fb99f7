// Package story is the test of all examples: one story, which each has to tell in the
// same way over real HTTP.
package story

import (
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"sync"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/examples/frameworks/internal/shop"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is the story itself.

// App is an example.
type App struct {
	// Serve serves the example until the test ends, and returns its address.
	Serve func(t *testing.T, sessions *cloakroom.Manager) (url string)
	// Visit returns a visitor of the example. Defaults to one of its JSON routes.
	Visit func(t *testing.T, url string, client *http.Client) Visitor
}

// Visitor is what a browser does at an example. Each method returns the answer's status.
type Visitor interface {
	SignIn(name, password string) int
	SignOut() int
	Cart() (shop.Cart, int)
	Put(item string) (shop.Cart, int)
	Devices() ([]shop.Device, int)
	EndDevice(id string) int
}

// HTTP returns an App of an application of net/http.
func HTTP(app func(*cloakroom.Manager) http.Handler) App {
	return App{Serve: func(t *testing.T, sessions *cloakroom.Manager) string {
		server := httptest.NewServer(app(sessions))
		t.Cleanup(server.Close)
		return server.URL
	}}
}

// Run tells the story on each store that an example can be started with.
func Run(t *testing.T, app App) {
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		store := memstore.New(nil)
		t.Cleanup(func() { _ = store.Close() })
		tell(t, app, store)
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		store, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "sessions.db"), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		tell(t, app, store)
	})
}

// Open makes a manager as the examples do, on a store whose saves can be made to fail.
func Open(t *testing.T, store cloakroom.Store) (*cloakroom.Manager, *Failing) {
	t.Helper()
	keyring, err := cloakroom.NewKeyring([]byte("only for tests, 32 bytes or more"))
	if err != nil {
		t.Fatal(err)
	}
	config := shop.Config()
	config.Logger = slog.New(slog.DiscardHandler)
	failing := &Failing{Store: store}
	sessions, err := cloakroom.New(failing, keyring, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sessions.Close() })
	return sessions, failing
}

// Client returns a client with cookies of its own, and a name that devices show.
func Client(t *testing.T, agent string) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: parallel}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: named{transport, agent}}
}

// named is a transport that says which browser it is.
type named struct {
	http.RoundTripper
	agent string
}

func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", n.agent)
	return n.RoundTripper.RoundTrip(r)
}

// parallel is how many things are put into a cart at once.
const parallel = 16

func tell(t *testing.T, app App, store cloakroom.Store) {
	sessions, failing := Open(t, store)
	url := app.Serve(t, sessions)
	visit := app.Visit
	if visit == nil {
		visit = JSON
	}
	browser := func(agent string) Visitor { return visit(t, url, Client(t, agent)) }

	ann := browser("ann's laptop")
	_, status := ann.Put("coat") // before anybody has signed in
	is(t, "put", status, 200)
	_, status = ann.Devices()
	is(t, "devices of nobody", status, 401)
	is(t, "sign in with a wrong password", ann.SignIn("ann", "simsalabim"), 403)
	is(t, "sign in with a wrong name", ann.SignIn("nobody", "sesame"), 403)
	is(t, "sign in", ann.SignIn("ann", "sesame"), 204)
	_, status = ann.Put("elephant")
	is(t, "put what isn't sold", status, 400)

	var all sync.WaitGroup
	for range parallel {
		all.Go(func() {
			if _, status := ann.Put("hat"); status != 200 {
				t.Errorf("put a hat: %d", status)
			}
		})
	}
	all.Wait()
	wantCart(t, ann, shop.Cart{"coat": 1, "hat": parallel})

	phone := browser("ann's phone")
	is(t, "sign in on a phone", phone.SignIn("ann", "sesame"), 204)
	wantCart(t, phone, shop.Cart{})
	there := wantDevices(t, ann, map[string]bool{"ann's laptop": true, "ann's phone": false})
	bob := browser("bob's")
	is(t, "sign bob in", bob.SignIn("bob", "sesame"), 204)
	is(t, "end another's device", bob.EndDevice(there["ann's phone"]), 404)
	is(t, "end what is no device", ann.EndDevice("nonsense"), 404)
	is(t, "end the phone", ann.EndDevice(there["ann's phone"]), 204)
	is(t, "end it again", ann.EndDevice(there["ann's phone"]), 404)
	wantDevices(t, ann, map[string]bool{"ann's laptop": true})
	_, status = phone.Devices()
	is(t, "devices of the phone that was ended", status, 401)

	// A save that fails is 503, and nothing is changed.
	failing.Fail(true)
	_, status = ann.Put("scarf")
	is(t, "put, which can't be saved", status, 503)
	is(t, "sign in, which can't be saved", phone.SignIn("ann", "sesame"), 503)
	if !testing.Short() { // the ending of a session is tried for as long as Config.SaveTimeout
		is(t, "sign out, which can't be saved", bob.SignOut(), 503)
	}
	failing.Fail(false)
	wantCart(t, ann, shop.Cart{"coat": 1, "hat": parallel})
	wantDevices(t, ann, map[string]bool{"ann's laptop": true})
	wantDevices(t, bob, map[string]bool{"bob's": true})

	is(t, "sign out", ann.SignOut(), 204)
	wantCart(t, ann, shop.Cart{})
	_, status = ann.Devices()
	is(t, "devices after the sign-out", status, 401)
}

func is(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got the status %d, want %d", what, got, want)
	}
}

func wantCart(t *testing.T, v Visitor, want shop.Cart) {
	t.Helper()
	if got, status := v.Cart(); status != 200 || !reflect.DeepEqual(got, want) {
		t.Fatalf("cart: got %v with the status %d, want %v", got, status, want)
	}
}

// wantDevices expects devices by their names, each with whether it is the one that asks.
// It returns their ids.
func wantDevices(t *testing.T, v Visitor, want map[string]bool) map[string]string {
	t.Helper()
	list, status := v.Devices()
	got, ids := map[string]bool{}, map[string]string{}
	for _, d := range list {
		got[d.Agent], ids[d.Agent] = d.Current, d.ID
	}
	if status != 200 || len(list) != len(want) || !reflect.DeepEqual(got, want) {
		t.Fatalf("devices: got %v with the status %d, want %v", list, status, want)
	}
	return ids
}

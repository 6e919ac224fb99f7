// Package recipes is the code of docs/recipes.md, so that it compiles and runs. What
// stands there between ```go and ``` stands in a file here, word for word: a test of the
// root package compares them.
package recipes

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is what the recipes take for given.

// sessions is the application's manager, and theUsers its users.
var (
	sessions *cloakroom.Manager
	theUsers users
)

// users are an application's own.
type users interface {
	// find returns the id of the user of a name, "" if there is none.
	find(ctx context.Context, name string) (id string)
	// passwordIsRight takes as long where there is no user of the id.
	passwordIsRight(ctx context.Context, id, password string) bool
	// mayEnter reports whether the user exists and isn't locked.
	mayEnter(ctx context.Context, id string) bool
	codeIsRight(ctx context.Context, id, code string) bool
}

// provider is an OpenID provider, by a library.
type provider interface {
	// address returns where a visitor signs in.
	address(state, verifier string) string
	// exchange returns who the visitor is, by the verified ID token.
	exchange(ctx context.Context, code, verifier string) (issuer, subject string, err error)
}

var theProvider provider

// recoverPanics answers 500 where a handler panics.
func recoverPanics(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler: // breaks the response off, as a ReverseProxy does
				panic(p)
			default:
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		h.ServeHTTP(w, r)
	})
}

// conn is a WebSocket, by a library.
type conn interface {
	ReadMessage() ([]byte, error)
	Close() error
}

// upgrade is a library's.
var upgrade = func(http.ResponseWriter, *http.Request) (conn, error) { return nil, errors.New("no library") }

const checkEvery = 30 * time.Second

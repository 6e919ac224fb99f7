package recipes

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/devices"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is the recipes of a whole program, and of a server behind it.

// closing ends when the server is to stop, for what would go on, such as streams.
var closing, endStreams = context.WithCancel(context.Background())

// serve is the application. It returns when ctx has ended and all is saved.
func serve(ctx context.Context, l net.Listener, dir string) error {
	keyring, err := cloakroom.KeyringFile(filepath.Join(dir, "session.keys"))
	if err != nil {
		return err
	}
	store, err := sqlitestore.Open(ctx, filepath.Join(dir, "sessions.db"), nil)
	if err != nil {
		return err
	}
	defer store.Close() // last
	sessions, err = cloakroom.New(store, keyring, &cloakroom.Config{NoStore: true})
	if err != nil {
		return err
	}
	defer sessions.Close() // waits for saves
	page, err := devices.New(sessions, "/sign-in", &devices.Config{Home: "/"})
	if err != nil {
		return err
	}

	server := &http.Server{Handler: handler(pages(page)), ReadHeaderTimeout: 10 * time.Second}
	server.RegisterOnShutdown(endStreams)
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		stopped <- server.Shutdown(grace)
	})
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

func pages(devices http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", sessions.With(home))
	mux.Handle("GET /sign-in", sessions.With(signInPage))
	mux.Handle("POST /sign-in", sessions.With(signIn))
	mux.Handle("POST /sign-out", sessions.With(signOut))
	mux.Handle("/devices", devices)
	mux.Handle("POST /elsewhere", signedIn(endElsewhere))
	mux.Handle("GET /news", sessions.With(news))
	return mux
}

// behind is a server behind this one that is told who is signed in, and no token.
func behind(address *url.URL) http.Handler {
	return signedIn(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		proxy := &httputil.ReverseProxy{
			Rewrite: func(p *httputil.ProxyRequest) {
				p.SetURL(address)
				p.Out.Header.Del("Cookie")                // who has the token is the visitor
				p.Out.Header.Set("X-User", s.Principal()) // in the place of what the client made up
			},
			ModifyResponse: func(w *http.Response) error {
				w.Header.Del("Set-Cookie") // which could put another in the token's place
				return nil
			},
		}
		proxy.ServeHTTP(w, r)
		return nil
	})
}

package recipes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the recipes of what lasts longer than a request.

// news is a page that sends events (SSE) for as long as the visitor is signed in.
func news(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	if s.Principal() == "" {
		http.Error(w, "please sign in", http.StatusForbidden)
		return nil
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	for {
		if _, err := fmt.Fprintf(w, "data: news for %s\n\n", s.Principal()); err != nil {
			return nil // the client has gone
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-closing.Done(): // the server is to stop
			return nil
		case <-check.C:
			if !stillOpen(r.Context(), s) {
				return nil
			}
		}
	}
}

// stillOpen reports whether a session that was opened a while ago still opens. In an
// outage nobody knows: it says yes, and is asked again.
func stillOpen(ctx context.Context, s *cloakroom.Session) bool {
	return !errors.Is(s.Refresh(ctx), cloakroom.ErrGone)
}

// socket is a WebSocket for as long as the visitor is signed in.
func socket(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	if s.Principal() == "" {
		http.Error(w, "please sign in", http.StatusForbidden)
		return nil
	}
	c, err := upgrade(w, r) // a library's; it also has to check the Origin
	if err != nil {
		return nil // it has answered
	}
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	go func() {
		check := time.NewTicker(checkEvery)
		defer check.Stop()
		for ctx.Err() == nil && stillOpen(ctx, s) {
			select {
			case <-check.C:
			case <-ctx.Done():
			}
		}
		_ = c.Close() // which ends the reading below
	}()
	for {
		if _, err := c.ReadMessage(); err != nil {
			return nil
		}
	}
}

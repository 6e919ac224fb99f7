package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/examples/frameworks/internal/shop"
)

// This file is the pages that stay open. They show a customer's cart for as long as the
// customer is signed in.

// watch sends the cart, now and after each change, until the session has ended. A session
// is read when its request begins and not again, so watch asks from time to time. Refresh
// doesn't count as a visit: an open page keeps nobody signed in.
func (h handlers) watch(ctx context.Context, s *cloakroom.Session, send func(text []byte) error) {
	check := time.NewTicker(h.every)
	defer check.Stop()
	for last := []byte(nil); ; {
		text, err := json.Marshal(shop.CartOf(s))
		if err != nil {
			return
		}
		if !bytes.Equal(text, last) {
			if send(text) != nil {
				return // the client has gone
			}
			last = text
		}
		select {
		case <-ctx.Done(): // the client has gone, or the server is to stop
			return
		case <-check.C:
		}
		// In an outage nobody knows whether the session still opens: ask again.
		if errors.Is(s.Refresh(ctx), cloakroom.ErrGone) {
			return
		}
	}
}

func (h handlers) events(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	if s.Principal() == "" {
		http.Error(w, "please sign in", http.StatusUnauthorized)
		return nil
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	h.watch(r.Context(), s, func(text []byte) error {
		if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil {
			return err
		}
		return http.NewResponseController(w).Flush()
	})
	return nil
}

func (h handlers) socket(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	if s.Principal() == "" { // looked at before the upgrade
		http.Error(w, "please sign in", http.StatusUnauthorized)
		return nil
	}
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return nil //nolint:nilerr // Accept has answered
	}
	ctx := c.CloseRead(r.Context())
	h.watch(ctx, s, func(text []byte) error { return c.Write(ctx, websocket.MessageText, text) })
	_ = c.Close(websocket.StatusNormalClosure, "signed out")
	return nil
}

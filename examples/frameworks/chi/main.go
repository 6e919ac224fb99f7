// Command chi is the shop on chi v5.
package main

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/examples/frameworks/internal/shop"
)

func main() { shop.Main(app) }

// app returns the application. chi's middleware is net/http's, and so is Handler. Recoverer
// is outside of it: a page that panics saves nothing.
func app(sessions *cloakroom.Manager) http.Handler {
	h := handlers{sessions}
	r := chi.NewRouter()
	r.Use(middleware.Recoverer, http.NewCrossOriginProtection().Handler, sessions.Handler)
	r.Method("POST", "/sign-in", sessions.With(h.signIn))
	r.Method("POST", "/sign-out", sessions.With(h.signOut))
	r.Method("GET", "/cart", sessions.With(h.cart))
	r.Method("POST", "/cart", sessions.With(h.put))
	r.Route("/devices", func(r chi.Router) {
		r.Use(h.signedIn)
		r.Method("GET", "/", sessions.With(h.devices))
		r.Method("DELETE", "/{id}", sessions.With(h.endDevice))
	})
	return r
}

type handlers struct{ sessions *cloakroom.Manager }

// signedIn is middleware for pages of who is signed in.
func (h handlers) signedIn(next http.Handler) http.Handler {
	return h.sessions.With(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		if s.Principal() == "" {
			http.Error(w, "please sign in", http.StatusUnauthorized)
			return nil
		}
		next.ServeHTTP(w, r)
		return nil
	})
}

func (h handlers) signIn(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	id, attempt, err := shop.Prove(r.Context(), h.sessions, r.PostFormValue("name"), r.PostFormValue("password"))
	if err != nil {
		return err
	}
	if id == "" {
		http.Error(w, "wrong name or password", http.StatusForbidden)
		return nil
	}
	if err := s.Login(r.Context(), id, &cloakroom.LoginOptions{Attempt: attempt}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h handlers) signOut(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	if err := s.Destroy(r.Context()); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h handlers) cart(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
	return shop.JSON(w, shop.CartOf(s))
}

func (h handlers) put(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	item := r.PostFormValue("item")
	if !shop.Sells(item) {
		http.Error(w, "no such thing", http.StatusBadRequest)
		return nil
	}
	return shop.JSON(w, shop.Put(s, item)) // saved before the first byte, or 503
}

func (h handlers) devices(w http.ResponseWriter, r *http.Request, _ *cloakroom.Session) error {
	all, err := h.sessions.Devices(r.Context())
	if err != nil {
		return err
	}
	return shop.JSON(w, shop.DevicesOf(all))
}

func (h handlers) endDevice(w http.ResponseWriter, r *http.Request, _ *cloakroom.Session) error {
	if err := shop.EndDevice(r.Context(), h.sessions, chi.URLParam(r, "id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

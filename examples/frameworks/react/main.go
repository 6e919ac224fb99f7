// Command react is the shop as a page of React's, which calls it by fetch. The session is in
// a cookie that no script sees.
package main

import (
	"net/http"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/examples/frameworks/internal/shop"
	"github.com/cloakroom-go/cloakroom/examples/frameworks/react/page"
)

func main() { shop.Main(app) }

//go:generate go run ./bundle

// app returns the application. CrossOriginProtection is what has other sites' pages change
// nothing: this page sends no token of its own against that.
func app(sessions *cloakroom.Manager) http.Handler {
	h := handlers{sessions}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(page.Files)) // which needs no session
	mux.Handle("POST /sign-in", sessions.With(h.signIn))
	mux.Handle("POST /sign-out", sessions.With(h.signOut))
	mux.Handle("GET /cart", sessions.With(h.cart))
	mux.Handle("POST /cart", sessions.With(h.put))
	mux.Handle("GET /devices", sessions.With(h.devices))
	mux.Handle("DELETE /devices/{id}", sessions.With(h.endDevice))
	return http.NewCrossOriginProtection().Handler(sessions.Handler(mux))
}

type handlers struct{ sessions *cloakroom.Manager }

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

// put saves nothing by itself: that happens before the first byte of its answer. If it
// can't be saved, the client gets 503 in the answer's place.
func (h handlers) put(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	item := r.PostFormValue("item")
	if !shop.Sells(item) {
		http.Error(w, "no such thing", http.StatusBadRequest)
		return nil
	}
	return shop.JSON(w, shop.Put(s, item))
}

func (h handlers) devices(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	if s.Principal() == "" {
		http.Error(w, "please sign in", http.StatusUnauthorized)
		return nil
	}
	all, err := h.sessions.Devices(r.Context())
	if err != nil {
		return err
	}
	return shop.JSON(w, shop.DevicesOf(all))
}

func (h handlers) endDevice(w http.ResponseWriter, r *http.Request, _ *cloakroom.Session) error {
	if err := shop.EndDevice(r.Context(), h.sessions, r.PathValue("id")); err != nil { // 404 if it isn't theirs
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

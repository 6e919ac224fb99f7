package demo

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the page and its forms.

// page shows the shop. It counts the visit, and saves before it makes the page, so that
// the page can show the cost.
func (s *Shop) page(w http.ResponseWriter, r *http.Request, session *cloakroom.Session) error {
	mend(session)
	n := visits.Update(session, func(n int) int { return n + 1 })
	said := notice.Pop(session)
	if err := session.Save(r.Context()); err != nil {
		return err
	}
	s.render(w, http.StatusOK, "shop", s.view(requestOf(r.Context()), session, n, said))
	return nil
}

// render sends a page. A template that fails is a bug.
func (s *Shop) render(w http.ResponseWriter, status int, name string, data any) {
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name, data); err != nil {
		s.config.Logger.Error("a page could not be made", "page", name, "error", err)
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "private, no-cache")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client hung up, or another answer was sent
}

// back redirects from a form to the page. The notice waits in the session.
func back(w http.ResponseWriter, r *http.Request, session *cloakroom.Session, said string) error {
	if said != "" {
		notice.Set(session, said)
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (s *Shop) changeCart(w http.ResponseWriter, r *http.Request, session *cloakroom.Session) error {
	if err := readForm(r); err != nil {
		return err
	}
	thing, ok := find(r.Form.Get("item"))
	if !ok {
		return &complaint{http.StatusBadRequest, "The shop doesn't sell that."}
	}
	mend(session)
	said := ""
	switch r.Form.Get("do") {
	case "add":
		cart.Update(session, addTo(thing.ID, 1))
		said = "Added to your cart: " + thing.Name + "."
	case "more":
		cart.Update(session, addTo(thing.ID, 1))
	case "less":
		cart.Update(session, addTo(thing.ID, -1))
	case "remove":
		cart.Update(session, takeFrom(thing.ID))
		said = "Taken out of your cart: " + thing.Name + "."
	default:
		return &complaint{http.StatusBadRequest, "The shop can't do that."}
	}
	return back(w, r, session, said)
}

func (s *Shop) signIn(w http.ResponseWriter, r *http.Request, session *cloakroom.Session) error {
	if err := readForm(r); err != nil {
		return err
	}
	name := strings.TrimSpace(r.Form.Get("name"))
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > 60 {
		return &complaint{http.StatusBadRequest, "Please give a name of 1 to 60 letters."}
	}
	mend(session)
	// Set before, it goes along into the new session and costs no write of its own.
	notice.Set(session, "Welcome, "+name+". You have a new ticket; the old one opens nothing any more.")
	err := s.login(r.Context(), session, name, &cloakroom.LoginOptions{Remember: r.Form.Get("remember") != ""})
	if err != nil {
		return err
	}
	if r.Form.Get("back") == devicesPath { // no other way back is asked for
		http.Redirect(w, r, devicesPath, http.StatusSeeOther)
		return nil
	}
	return back(w, r, session, "")
}

// devicesPath is the path of the page of devices.
const devicesPath = "/devices"

// signInAgain is the page where somebody who is signed in does so once more, before the
// page of devices ends a session. A real shop asks for the password here.
func (s *Shop) signInAgain(w http.ResponseWriter, r *http.Request, session *cloakroom.Session) error {
	info := session.Info()
	if info.Principal == "" {
		http.Redirect(w, r, "/#you", http.StatusSeeOther)
		return nil
	}
	s.render(w, http.StatusOK, "again", againView{info.Principal, info.Persistent, devicesPath})
	return nil
}

// againView is the data of the page to sign in again.
type againView struct {
	Principal string
	Remember  bool
	Back      string
}

func (s *Shop) signOut(w http.ResponseWriter, r *http.Request, session *cloakroom.Session) error {
	return s.leave(w, r, session, "You are signed out. Your session has ended, and the cart with it.")
}

// leave ends the session. The notice begins a new one, whose log continues the old
// one's.
func (s *Shop) leave(w http.ResponseWriter, r *http.Request, session *cloakroom.Session, said string) error {
	old := session.ID()
	if err := session.Destroy(r.Context()); err != nil {
		return err
	}
	notice.Set(session, said)
	if err := session.Save(r.Context()); err != nil {
		return err
	}
	if !old.IsZero() {
		s.meter.trace.follow(old, session.ID())
	}
	return back(w, r, session, "")
}

// startAnew gives a visitor whose record can't be understood a new session.
func (s *Shop) startAnew(w http.ResponseWriter, r *http.Request) {
	session, err := s.sessions.Fresh(r.Context())
	if err == nil {
		err = back(w, r, session, "You have a new, empty session.")
	}
	if err != nil {
		s.sessions.Fail(w, r, err)
	}
}

// ago describes the time since t.
func ago(now, t time.Time) string {
	switch d := now.Sub(t); {
	case d < 10*time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d\u00a0s ago", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d\u00a0min ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d\u00a0h ago", d/time.Hour)
	default:
		return fmt.Sprintf("%d\u00a0days ago", d/(24*time.Hour))
	}
}

// ahead describes the time until t.
func ahead(now, t time.Time) string {
	switch d := t.Sub(now).Round(time.Second); {
	case d < 2*time.Minute:
		return fmt.Sprintf("in %d\u00a0s", max(0, d/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("in %d\u00a0min", d.Round(time.Minute)/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("in %d\u00a0h", d.Round(time.Hour)/time.Hour)
	default:
		return fmt.Sprintf("in %d\u00a0days", (d+12*time.Hour)/(24*time.Hour))
	}
}

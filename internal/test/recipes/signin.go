package recipes

import (
	"crypto/rand"
	"net/http"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the recipes of signing in.

// prove returns the user whose name and password a visitor gave, "" if they are wrong.
func prove(r *http.Request, name, password string) (id string, attempt cloakroom.LoginAttempt, err error) {
	if id = theUsers.find(r.Context(), name); id != "" {
		attempt, err = sessions.BeginLogin(r.Context(), id) // before the password is checked
	}
	if err == nil && !theUsers.passwordIsRight(r.Context(), id, password) {
		id = ""
	}
	return id, attempt, err
}

func signIn(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	id, attempt, err := prove(r, r.PostFormValue("name"), r.PostFormValue("password"))
	if err != nil {
		return err
	}
	if id == "" {
		http.Error(w, "wrong name or password", http.StatusForbidden)
		return nil
	}
	o := &cloakroom.LoginOptions{Attempt: attempt, Remember: r.PostFormValue("remember") != ""}
	if err := s.Login(r.Context(), id, o); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func signOut(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	if err := s.Destroy(r.Context()); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// enter signs a user in whom somebody else has vouched for.
func enter(w http.ResponseWriter, r *http.Request, s *cloakroom.Session, id string) error {
	attempt, err := sessions.BeginLogin(r.Context(), id)
	if err != nil {
		return err
	}
	if !theUsers.mayEnter(r.Context(), id) { // asked after BeginLogin
		http.Error(w, "this account is locked", http.StatusForbidden)
		return nil
	}
	if err := s.Login(r.Context(), id, &cloakroom.LoginOptions{Attempt: attempt}); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// first is what the first of two steps leaves for the second.
type first struct {
	User    string
	Attempt cloakroom.LoginAttempt
}

var firstStep = cloakroom.NewKey[first]("first-step")

func password(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	id, attempt, err := prove(r, r.PostFormValue("name"), r.PostFormValue("password"))
	if err != nil {
		return err
	}
	if id == "" {
		http.Error(w, "wrong name or password", http.StatusForbidden)
		return nil
	}
	firstStep.Set(s, first{id, attempt})
	http.Redirect(w, r, "/code", http.StatusSeeOther)
	return nil
}

// code is the second step. The attempt is good for half an hour.
func code(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	step := firstStep.Get(s)
	if step.User == "" || !theUsers.codeIsRight(r.Context(), step.User, r.PostFormValue("code")) {
		http.Error(w, "wrong code", http.StatusForbidden)
		return nil
	}
	firstStep.Delete(s)
	if err := s.Login(r.Context(), step.User, &cloakroom.LoginOptions{Attempt: step.Attempt}); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

type pending struct{ State, Verifier string }

var atProvider = cloakroom.NewKey[pending]("at-provider")

// toProvider sends a visitor to an OpenID provider.
func toProvider(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	p := pending{State: rand.Text(), Verifier: rand.Text() + rand.Text()}
	atProvider.Set(s, p)
	http.Redirect(w, r, theProvider.address(p.State, p.Verifier), http.StatusSeeOther)
	return nil
}

// fromProvider is where the provider sends the visitor back to.
func fromProvider(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	p, ok, err := atProvider.Take(r.Context(), s) // good once
	if err != nil {
		return err
	}
	if !ok || r.FormValue("state") != p.State {
		http.Error(w, "please sign in again", http.StatusBadRequest)
		return nil
	}
	issuer, subject, err := theProvider.exchange(r.Context(), r.FormValue("code"), p.Verifier)
	if err != nil {
		return err
	}
	return enter(w, r, s, issuer+" "+subject)
}

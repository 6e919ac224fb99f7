package recipes

import (
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the recipes of pages about who is signed in.

// signedIn is a page for who is signed in. Others come to the page to sign in.
func signedIn(page func(http.ResponseWriter, *http.Request, *cloakroom.Session) error) http.Handler {
	return sessions.With(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		if s.Principal() == "" {
			http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
			return nil
		}
		return page(w, r, s)
	})
}

var signInForm = template.Must(template.New("sign-in").Parse(`{{with .}}<p>{{.}}</p>{{end}}
<form method="post"><input name="name"><input name="password" type="password">
<label><input name="remember" type="checkbox"> stay signed in</label><button>Sign in</button></form>`))

// signInPage also tells who comes here without having signed out how that is.
func signInPage(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
	text := ""
	if why, at, ended := s.Ended(); ended {
		switch why {
		case cloakroom.EndRevoked:
			text = "This session was ended from elsewhere at " + at.Format("15:04") + "."
		case cloakroom.EndOverLimit:
			text = "There were too many sessions of yours. This was the oldest."
		case cloakroom.EndExpired:
			text = "You were away for long."
		}
		if err := s.Forget(); err != nil { // told once: the next request brings no token
			return err
		}
	}
	return signInForm.Execute(w, text)
}

// endElsewhere signs the visitor out everywhere else, as after a new password.
func endElsewhere(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	if err := sessions.Admin().RevokeAll(r.Context(), s.Principal(), s.ID()); err != nil {
		return err
	}
	http.Redirect(w, r, "/devices", http.StatusSeeOther)
	return nil
}

var note = cloakroom.NewKey[string]("note")

// keepNote keeps what a visitor typed.
func keepNote(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	var tooLarge *http.MaxBytesError
	switch err := r.ParseForm(); { // which FormValue and PostFormValue keep silent about
	case errors.As(err, &tooLarge):
		return err // 413
	case err != nil:
		http.Error(w, "not a form", http.StatusBadRequest)
		return nil
	}
	note.Set(s, strings.ToValidUTF8(r.PostFormValue("note"), "\uFFFD"))
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

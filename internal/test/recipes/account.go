package recipes

import (
	"bytes"
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

var deviceList = template.Must(template.New("devices").Parse(
	`{{range .}}<form method="post" action="/devices/end">{{.Client.UserAgent}} at {{.Client.Address}},
{{.Seen.Format "2 Jan 15:04"}} <button name="id" value="{{.ID}}">Sign {{if .Current}}this one {{end}}out</button></form>
{{end}}<form method="post" action="/devices/end-others"><button>Sign all others out</button></form>`))

func devices(w http.ResponseWriter, r *http.Request, _ *cloakroom.Session) error {
	all, err := sessions.Devices(r.Context())
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := deviceList.Execute(&b, all); err != nil {
		return err
	}
	_, err = b.WriteTo(w)
	return err
}

func endDevice(w http.ResponseWriter, r *http.Request, _ *cloakroom.Session) error {
	id, err := cloakroom.ParseID(r.PostFormValue("id"))
	if err == nil {
		err = sessions.EndDevice(r.Context(), id) // the visitor's own, and nobody else's
	}
	if err != nil && !errors.Is(err, cloakroom.ErrNotFound) { // which a second click is
		return err
	}
	http.Redirect(w, r, "/devices", http.StatusSeeOther)
	return nil
}

func endOthers(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
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

package recipes

import (
	"bytes"
	"html/template"
	"net/http"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the recipes of pages.

func handler(mux http.Handler) http.Handler {
	return recoverPanics( // outside: it has to see panics after Handler has
		http.NewCrossOriginProtection().Handler(
			sessions.Handler(mux)))
}

var flash = cloakroom.NewKey[[]string]("flash")

// say keeps a message for the next page.
func say(s *cloakroom.Session, text string) {
	flash.Update(s, func(all []string) []string { return append(all, text) })
}

func rename(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	say(s, "Your name has been changed.")
	http.Redirect(w, r, "/", http.StatusSeeOther) // saved before this goes out
	return nil
}

var page = template.Must(template.New("page").Parse(
	`{{range .Messages}}<p>{{.}}</p>{{end}}<p>Hello {{or .User "stranger"}}</p>`))

func home(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	messages, _, err := flash.Take(r.Context(), s) // of two tabs one shows them
	if err != nil {
		return err
	}
	var b bytes.Buffer
	err = page.Execute(&b, map[string]any{"Messages": messages, "User": s.Principal()})
	if err != nil {
		return err // nothing has been sent yet: the client gets the error page
	}
	_, err = b.WriteTo(w)
	return err
}

var (
	consented = cloakroom.NewKey[bool]("consented")
	lastSeen  = cloakroom.NewKey[[]string]("last-seen")
)

func product(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	if consented.Get(s) { // else nothing is set, and there is no cookie
		lastSeen.Update(s, func(all []string) []string { return append(all, r.PathValue("id")) })
	}
	_, err := w.Write([]byte("a hat"))
	return err
}

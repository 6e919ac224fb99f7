package gorilla

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/gorilla/sessions"
)

// This file is the test of a network's file system, whose answers get lost.

// An answer to the removal that was lost, so that the file is gone when it is sent again, is
// no sign-out.
func TestRemovalWhoseAnswerIsLost(t *testing.T) {
	dir := t.TempDir()
	store := sessions.NewFilesystemStore(dir, []byte("key"))
	i, err := NewFilesystemImporter(store, dir, "session", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	g := sessions.NewSession(store, "session")
	g.Options.MaxAge = 1
	if err := g.Save(&http.Request{}, w); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(w.Result().Cookies()[0])
	token, err := i.Find(r)
	if err != nil {
		t.Fatal(err)
	}
	f, err := i.Load(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	i.remove = func(name string) error {
		if err := os.Remove(name); err != nil {
			return err
		}
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if err := i.Retire(t.Context(), token, f.Version); err != nil {
		t.Errorf("it is taken for a sign-out: %v", err)
	}
}

package sqlitestore_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests rows whose JSON is deeper than this version writes.

// TestDeepRows: an earlier version or an operator wrote a row deeper than this version
// may. It is read if it can be, and the visitor can sign out.
func TestDeepRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	s := open(t, path, nil)
	keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := cloakroom.New(s, keyring, &cloakroom.Config{Transport: cloakroom.Bearer{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	ask := func(page func(http.ResponseWriter, *http.Request, *cloakroom.Session) error, token string) int {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		m.With(page).ServeHTTP(w, r)
		return w.Code
	}
	note := cloakroom.NewKey[string]("note")
	deep := cloakroom.NewKey[any]("deep")
	read := func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if note.Get(s) != "here" {
			return errors.New("it reads something else")
		}
		_, _, err := deep.Lookup(s)
		return err
	}
	signOut := func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Destroy(r.Context())
	}
	write := func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		note.Set(s, "new")
		return nil
	}
	mend := func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		deep.Delete(s)
		note.Set(s, "here")
		return nil
	}

	for _, tt := range []struct {
		levels   int
		readable bool
	}{{driver.MaxDepth, true}, {driver.MaxDepth + 1, true}, {9_999, true}, {10_000, false}, {20_000, false}} {
		t.Run(fmt.Sprint(tt.levels), func(t *testing.T) {
			sess, err := m.Create(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			note.Set(sess, "here")
			if err := sess.Save(t.Context()); err != nil {
				t.Fatal(err)
			}
			token := sess.Token()
			query(t, path, fmt.Sprintf(`UPDATE records SET data = '{"deep":%s%s,"note":"here"}' WHERE id = '%s'`,
				strings.Repeat("[", tt.levels), strings.Repeat("]", tt.levels), sess.ID()))
			got := ask(read, token)
			if !tt.readable {
				if _, err := s.Get(t.Context(), sess.ID()); got != 500 || !errors.Is(err, driver.ErrCorrupt) {
					t.Errorf("reading: %d, %v", got, err)
				}
				// The session can't be opened, so its Destroy can't be called. Revoke
				// ends it by its id.
				if err := m.Admin().Revoke(t.Context(), sess.ID()); err != nil {
					t.Errorf("Revoke: %v", err)
				}
				if got := ask(signOut, token); got != 200 {
					t.Errorf("signing out afterwards: %d", got)
				}
				return
			}
			if got != 200 {
				t.Errorf("reading: %d", got)
			}
			// A value that not all stores can give back isn't written again, but it can
			// be deleted.
			want := 200
			if tt.levels > driver.MaxDepth {
				want = 500
			}
			if got := ask(write, token); got != want {
				t.Errorf("writing beside it: %d, want %d", got, want)
			}
			if got := ask(mend, token); got != 200 {
				t.Errorf("taking it out: %d", got)
			}
			if got := ask(read, token); got != 200 {
				t.Errorf("reading what was mended: %d", got)
			}
			query(t, path, fmt.Sprintf(`UPDATE records SET data = '{"deep":%s%s,"note":"here"}' WHERE id = '%s'`,
				strings.Repeat("[", tt.levels), strings.Repeat("]", tt.levels), sess.ID()))
			if got := ask(signOut, token); got != 200 {
				t.Errorf("signing out: %d", got)
			}
			if _, err := s.Get(t.Context(), sess.ID()); !errors.Is(err, driver.ErrGone) {
				t.Errorf("after the sign-out: %v", err)
			}
		})
	}
}

package versions

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// TestRenewals renews a session twice by the present version, and has each pinned
// commit asked with the old tokens and the new one.
func TestRenewals(t *testing.T) {
	present := buildPresent(t)
	for _, pin := range pins() {
		t.Run(pin.commit[:7], func(t *testing.T) {
			pinned := buildPinned(t, pin.commit)
			for name, renew := range map[string]func(*cloakroom.Session) error{
				"with a grace": func(s *cloakroom.Session) error { return s.Renew(t.Context()) },
				"strictly":     func(s *cloakroom.Session) error { return s.RenewStrict(t.Context()) },
			} {
				t.Run(name, func(t *testing.T) {
					file, home := filepath.Join(t.TempDir(), "sessions.db"), t.TempDir()
					earlier, now := start(t, "earlier", pinned, home, "sqlite:"+file), start(t, "present", present, home, "sqlite:"+file)
					store, err := sqlitestore.Open(t.Context(), file, nil)
					if err != nil {
						t.Fatal(err)
					}
					defer store.Close()
					keys, err := cloakroom.KeyringFile(strings.TrimSuffix(file, ".db") + ".keys")
					if err != nil {
						t.Fatal(err)
					}
					v := newVisitor(t)
					v.count(earlier, 1)
					var app string
					for info, err := range store.Search(t.Context(), driver.Query{}) {
						if err != nil {
							t.Fatal(err)
						}
						app = info.App
					}
					m, err := cloakroom.New(store, keys, &cloakroom.Config{App: app, Transport: cloakroom.Cookie{Insecure: true}})
					if err != nil {
						t.Fatal(err)
					}
					defer m.Close()
					tokens := []string{v.token(earlier)}
					for range 2 {
						s, err := m.Retrieve(t.Context(), tokens[len(tokens)-1])
						if err != nil {
							t.Fatal(err)
						}
						if err := renew(s); err != nil {
							t.Fatal(err)
						}
						tokens = append(tokens, s.Token())
					}
					for i, token := range tokens {
						late := newVisitor(t)
						late.bring(earlier, token)
						status, _ := late.try(earlier, "/api/incr", url.Values{"key": {"n"}})
						kept := late.token(earlier) == token
						want := http.StatusServiceUnavailable
						if i == len(tokens)-1 || !pin.tells {
							want = http.StatusOK
						}
						if status != want || kept != (pin.tells || want == http.StatusOK && i == len(tokens)-1) {
							t.Errorf("token %d at the earlier process: %d, kept %v, want %d", i, status, kept, want)
						}
					}
					// What the earlier one wrote with the current token leaves the others as
					// they are at the present one.
					for i, token := range tokens {
						late := newVisitor(t)
						late.bring(now, token)
						status, body := late.try(now, "/api/incr", url.Values{"key": {"n"}})
						want := http.StatusOK
						if name == "strictly" && i < len(tokens)-1 {
							want = http.StatusConflict
						}
						if status != want || late.token(now) != token {
							t.Errorf("token %d at the present process: %d %s, want %d", i, status, body, want)
						}
					}
				})
			}
		})
	}
}

// token returns the token that the visitor sends to a process.
func (v *visitor) token(p *process) string {
	v.t.Helper()
	for _, c := range v.client.Jar.Cookies(p.address(v.t)) {
		if c.Name == "session" {
			return c.Value
		}
	}
	return ""
}

// bring has the visitor send a token to a process.
func (v *visitor) bring(p *process, token string) {
	v.t.Helper()
	v.client.Jar.SetCookies(p.address(v.t), []*http.Cookie{{Name: "session", Value: token, Path: "/"}})
}

func (p *process) address(t *testing.T) *url.URL {
	t.Helper()
	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

package recipes

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/netip"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the recipes of several managers, of operating, and of privacy.

// twoManagers are one for visitors and one for the staff, on one store.
func twoManagers(store cloakroom.Store, keyring *cloakroom.Keyring) (visitors, staff *cloakroom.Manager, err error) {
	visitors, err = cloakroom.New(store, keyring, &cloakroom.Config{App: "shop"})
	if err != nil {
		return nil, nil, err
	}
	staff, err = cloakroom.New(store, keyring, &cloakroom.Config{
		App:         "shop-staff",
		Transport:   cloakroom.Cookie{Name: "__Host-staff", SameSite: http.SameSiteStrictMode},
		IdleTimeout: 30 * time.Minute,
		Lifetime:    12 * time.Hour,
	})
	return visitors, staff, err
}

// api is a manager for the same sessions by "Authorization: Bearer TOKEN".
func api(store cloakroom.Store, keyring *cloakroom.Keyring) (*cloakroom.Manager, error) {
	return cloakroom.New(store, keyring, &cloakroom.Config{App: "shop", Transport: cloakroom.Bearer{}})
}

// apiSignIn answers with the token in the header Session-Token.
func apiSignIn(manager *cloakroom.Manager) http.Handler {
	return manager.With(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		var in struct{ Name, Password string }
		isJSON := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&in) == nil
		if !isJSON {
			http.Error(w, "not JSON", http.StatusBadRequest)
			return nil
		}
		id, attempt, err := prove(r, in.Name, in.Password)
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
	})
}

// rotate has a new secret sign. All processes have to know it already.
func rotate(keyring *cloakroom.Keyring, newSecret, oldSecret []byte) error {
	return keyring.Replace(newSecret, oldSecret)
}

// everyoneOut refuses all sessions that were made up to now, by whatever machine.
func everyoneOut(config *cloakroom.Config, now time.Time) {
	config.NotBefore = now.Add(driver.ClockTolerance)
}

// behindProxies takes the client's address from who wrote it down: proxies in 10.0.0.0/8.
func behindProxies(config *cloakroom.Config) {
	config.ClientAddr = cloakroom.TrustedProxies(netip.MustParsePrefix("10.0.0.0/8"))
}

// private keeps neither the address nor the user agent.
func private(config *cloakroom.Config) {
	config.ClientAddr = func(*http.Request) string { return "" }
}

// withoutAgent goes outside of Manager.Handler.
func withoutAgent(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.Header.Del("User-Agent")
		h.ServeHTTP(w, r)
	})
}

// exported is what is kept of a session, for the one whom it is about.
type exported struct {
	cloakroom.Info
	Values map[string]json.RawMessage
}

// export returns what is kept of a principal.
func export(ctx context.Context, principal string) (all []exported, err error) {
	for rec, err := range sessions.Admin().Search(ctx, driver.Query{Principal: principal}) {
		if err != nil {
			return nil, err
		}
		all = append(all, exported{rec.Info(), maps.Collect(rec.Values.All())})
	}
	return all, nil
}

// forget ends all sessions of a principal. Their values are gone at once.
func forget(ctx context.Context, principal string) error {
	return sessions.Admin().RevokeAll(ctx, principal)
}

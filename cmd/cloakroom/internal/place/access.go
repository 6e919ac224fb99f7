package place

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file is Access: how an engine is reached, beside its addresses.

// Access is the login and the certificates for an engine. A place whose URL has a login
// needs none. Other stores need none.
type Access struct {
	User, Password string
	PasswordFile   string
	APIKey         string // as the engine hands it out as "encoded"
	APIKeyFile     string
	CAFile         string // certificates in PEM of the authorities that signed the engine's
}

// Format implements fmt.Formatter: no secret is printed.
func (a Access) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "access of the user %q", a.User) }

// ErrAccess is the error of an Access that contradicts itself.
var ErrAccess = errors.New("the login can't be used")

// clientConfig returns the configuration of a client of the engine.
func (p Place) clientConfig(a Access) (elasticstore.ClientConfig, error) {
	bad := func(text string) (elasticstore.ClientConfig, error) {
		return elasticstore.ClientConfig{}, fmt.Errorf("%w: %s", ErrAccess, text)
	}
	c := p.client
	c.CAFile = a.CAFile
	// What is in the environment may be for another command: a flag counts more.
	if a.PasswordFile != "" {
		a.Password = ""
	}
	if a.APIKeyFile != "" {
		a.APIKey = ""
	}
	key, password := a.APIKey != "" || a.APIKeyFile != "", a.Password != "" || a.PasswordFile != ""
	switch inURL := p.HasLogin(); {
	case inURL && (a.User != "" || a.PasswordFile != "" || a.APIKeyFile != ""):
		return bad("the URL has a login already")
	case inURL:
	case key && (a.User != "" || a.PasswordFile != ""):
		return bad("there is an API key beside a user: only one of them can be used")
	case key:
		c.APIKey, c.APIKeyFile = a.APIKey, a.APIKeyFile
	case a.User != "" && !password:
		return bad("the user's password is missing: give --password-file or set $CLOAKROOM_PASSWORD")
	case a.User == "" && a.PasswordFile != "":
		return bad("the user is missing: give --user")
	case a.User != "":
		c.User, c.Password, c.PasswordFile = a.User, a.Password, a.PasswordFile
	}
	return c, nil
}

// HasLogin reports whether an address of the engine has a login.
func (p Place) HasLogin() bool {
	for _, text := range p.client.URLs {
		if u, err := url.Parse(text); err == nil && u.User != nil {
			return true
		}
	}
	return false
}

// Package place is the place where sessions are kept: it parses the value of --store,
// opens the store, and names the place without its password.
package place

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is Place.

// Usage names all forms that Parse accepts.
const Usage = "memory:, sqlite:PATH, or http(s)://[USER:PASSWORD@]HOST:9200[/INDEX]"

// Place is where sessions are kept. The zero Place is the file demo.db in the
// user's data folder.
type Place struct {
	kind   kind
	path   string                    // of the SQLite file
	client elasticstore.ClientConfig // of the engine, with the login of its URL
	store  elasticstore.Config       // of the engine: the index, if one is named
	shown  []string                  // the engine's addresses, without a login
}

type kind int

const (
	inData kind = iota
	inMemory
	inFile
	inEngine
)

// Store is a store that has to be closed.
type Store interface {
	cloakroom.Store
	io.Closer
}

// errUsage never repeats the input, which may hold a password anywhere.
var errUsage = errors.New("use " + Usage)

// Parse reads a place. Its errors hold nothing of the text.
func Parse(text string) (Place, error) {
	scheme, rest, ok := strings.Cut(text, ":")
	switch scheme = strings.ToLower(scheme); {
	case !ok:
	case scheme == "memory" && rest == "":
		return Place{kind: inMemory}, nil
	case scheme == "memory":
		return Place{}, fmt.Errorf("nothing can follow memory: (%w)", errUsage)
	case scheme == "sqlite" && rest == "":
		return Place{}, fmt.Errorf("the path of the file is missing after sqlite: (%w)", errUsage)
	case scheme == "sqlite":
		return Place{kind: inFile, path: rest}, nil
	case scheme == "http" || scheme == "https":
		return parseEngine(text)
	}
	return Place{}, fmt.Errorf("this kind of store is not known: %w", errUsage)
}

func parseEngine(text string) (Place, error) {
	bad := func(what string) (Place, error) { return Place{}, fmt.Errorf("%s (%w)", what, errUsage) }
	u, err := url.Parse(text)
	switch {
	case err != nil: // its text repeats the input
		return bad("the URL is malformed; in a user or password, write @ : / % and the like percent-encoded, such as %40 for @")
	case u.Hostname() == "":
		return bad("the URL names no host")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return bad("the URL has a ? or # in it; in a password, write %3F or %23")
	}
	if u.User != nil {
		if password, _ := u.User.Password(); u.User.Username() == "" || password == "" {
			return bad("the URL has a user without a password, or the other way round")
		}
	}
	index := strings.Trim(u.Path, "/")
	if strings.Contains(index, "/") {
		return bad("the URL's path has several parts, but names an index")
	}
	u.Path, u.RawPath = "", ""
	return Engine(elasticstore.ClientConfig{URLs: []string{u.String()}}, elasticstore.Config{Index: index}, u.Scheme+"://"+u.Host), nil
}

// Engine returns the place of an engine that a configuration tells. shown are its
// addresses without a login.
func Engine(client elasticstore.ClientConfig, store elasticstore.Config, shown ...string) Place {
	return Place{kind: inEngine, client: client, store: store, shown: shown}
}

// WithIndex returns the place on the same engine with another index.
func (p Place) WithIndex(index string) Place {
	p.store.Index = index
	return p
}

// IsZero reports whether no place was named.
func (p Place) IsZero() bool { return p.kind == inData }

// UnmarshalText is Parse, for flags.
func (p *Place) UnmarshalText(text []byte) (err error) {
	*p, err = Parse(string(text))
	return err
}

// String names the place for people. Paths are quoted, logins left out.
func (p Place) String() string {
	switch p.kind {
	case inMemory:
		return "the memory of this process"
	case inFile:
		return fmt.Sprintf("SQLite, %q", p.path)
	case inEngine:
		s := fmt.Sprintf("the engine at %q", strings.Join(p.shown, " "))
		if p.store.Index != "" {
			s += fmt.Sprintf(", index %q", p.store.Index)
		}
		return s
	}
	return "SQLite, in the data folder"
}

// Lasting reports whether sessions outlive the process.
func (p Place) Lasting() bool { return p.kind != inMemory }

// Resolve turns the zero Place into a path, and makes the data folder if the place needs
// it.
func (p Place) Resolve() (Place, error) {
	if p.kind != inData {
		return p, nil
	}
	folder, err := dataFolder()
	if err != nil {
		return p, err
	}
	return Place{kind: inFile, path: filepath.Join(folder, "demo.db")}, nil
}

// Open opens the store, and makes it if it isn't there. It doesn't wait for an engine that
// is out of reach.
func (p Place) Open(ctx context.Context, a Access, logger *slog.Logger) (Store, error) {
	p, err := p.Resolve()
	if err != nil {
		return nil, err
	}
	switch p.kind {
	case inMemory:
		return memstore.New(nil), nil
	case inEngine:
		client, err := p.clientConfig(a)
		if err != nil {
			return nil, err
		}
		config := p.store
		config.Logger = logger
		return opened(elasticstore.Open(ctx, client, &config))
	}
	return opened(sqlitestore.Open(ctx, p.path, &sqlitestore.Config{Logger: logger}))
}

// opened returns a nil Store with an error, instead of a non-nil Store with a nil
// pointer.
func opened[S Store](s S, err error) (Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Keyring returns the keyring of the place, and the file that holds it. For a place in
// memory the ring is new and the file "", since no session outlives the process.
//
// The ring of a SQLite file lies beside it. That of an engine lies in the data folder,
// since it must not be kept with the sessions.
func (p Place) Keyring() (*cloakroom.Keyring, string, error) {
	p, err := p.Resolve()
	if err != nil {
		return nil, "", err
	}
	var path string
	switch p.kind {
	case inMemory:
		var secret [32]byte
		_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
		keyring, err := cloakroom.NewKeyring(secret[:])
		return keyring, "", err
	case inEngine:
		folder, err := dataFolder()
		if err != nil {
			return nil, "", err
		}
		path = filepath.Join(folder, "demo.keys")
	default:
		path = strings.TrimSuffix(p.path, ".db") + ".keys"
	}
	keyring, err := cloakroom.KeyringFile(path)
	return keyring, path, err
}

// dataFolder makes and returns the folder where the program keeps its data.
func dataFolder() (string, error) {
	folder, err := dataPath()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("making the data folder: %w", err)
	}
	return folder, nil
}

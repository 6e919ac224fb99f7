package testengine

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// This file is TLS, logins and roles of an engine.

// Role is a user's rights, in the engine's own terms.
type Role struct {
	Cluster       []string // privileges (in OpenSearch: permissions) of the cluster
	Indices       []string // patterns of names
	IndicesRights []string // privileges on the indices of these names
}

// Login is a user of an engine.
type Login struct{ User, Password string }

// String returns the user, and never the password.
func (l Login) String() string { return l.User }

// GoString returns the user, and never the password.
func (l Login) GoString() string { return l.User }

// security is an engine's TLS and logins; nil: none. Passwords are new in each run, and
// on disk only as hashes.
type security struct {
	settings    map[string]string
	ca          []byte
	client      *http.Client
	admin, user Login
}

const (
	roleName   = "sessions"
	hashRounds = 10_000
)

// secure makes an engine's configuration for TLS and two users: one with all rights, and
// one with the role.
func (s *spec) secure(role Role, tools toolchain) error {
	config := filepath.Join(s.dir, "home", "config")
	if err := os.MkdirAll(config, 0o700); err != nil {
		return err
	}
	ca, err := writeCertificates(config)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	s.security = &security{
		ca:    ca,
		admin: Login{"admin", rand.Text()},
		user:  Login{"app", rand.Text()},
		client: &http.Client{
			Transport: &http.Transport{
				DisableKeepAlives: true,
				TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			},
			Timeout: client.Timeout,
		},
	}
	if s.dist.whole != "" {
		return s.security.configureElasticsearch(config, role)
	}
	return s.security.configureOpenSearch(config, role, tools.security)
}

// addSecurity prepares the parts that d needs for security.
func (c *toolchain) addSecurity(ctx context.Context, d distribution, env lookup) error {
	if d.whole != "" {
		return nil // it has security in it
	}
	cache, err := cacheDir(env)
	if err != nil {
		return err
	}
	unlock, err := lockFile(ctx, filepath.Join(cache, "prepare.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	c.security = unpackedDir(cache, d.security)
	return unpack(ctx, d.security, c.jdk, cache, env)
}

// configureElasticsearch takes users and roles from files alone.
func (s *security) configureElasticsearch(config string, role Role) error {
	s.settings = map[string]string{
		"xpack.security.enabled":                            "true",
		"xpack.security.http.ssl.enabled":                   "true",
		"xpack.security.http.ssl.key":                       keyFile,
		"xpack.security.http.ssl.certificate":               certFile,
		"xpack.security.authc.realms.file.file.order":       "0",
		"xpack.security.authc.realms.native.native.enabled": "false",
		"xpack.security.authc.realms.native.native.order":   "1",
		"xpack.security.authc.reserved_realm.enabled":       "false",
		"xpack.security.transport.ssl.enabled":              "false", // no other node connects
		"xpack.security.enrollment.enabled":                 "false",
		"xpack.security.authc.token.enabled":                "false",
		"xpack.security.authc.password_hashing.algorithm":   "pbkdf2",
	}
	return s.writeElasticsearchUsers(config, map[Login]Role{s.user: role})
}

// writeElasticsearchUsers writes the files of the administrator and these users, each with
// a role of its own.
func (s *security) writeElasticsearchUsers(config string, all map[Login]Role) error {
	var users, members, roles strings.Builder
	user := func(l Login) error {
		salt, hash, err := hashed(l, func(salt []byte) ([]byte, error) {
			return pbkdf2.Key(sha512.New, l.Password, salt, hashRounds, 32)
		})
		fmt.Fprintf(&users, "%s:{PBKDF2}%d$%s$%s\n", l.User, hashRounds, salt, hash)
		return err
	}
	if err := user(s.admin); err != nil {
		return err
	}
	fmt.Fprintf(&members, "superuser:%s\n", s.admin.User)
	for l, role := range all {
		rights, err := json.Marshal(map[string]any{
			"cluster": append([]string{}, role.Cluster...), // never null
			"indices": []any{map[string]any{"names": role.Indices, "privileges": role.IndicesRights}},
		})
		if err := errors.Join(err, user(l)); err != nil {
			return err
		}
		fmt.Fprintf(&members, "%s-%s:%s\n", roleName, l.User, l.User)
		fmt.Fprintf(&roles, "%s-%s: %s\n", roleName, l.User, rights)
	}
	write := func(name, content string) error {
		path := filepath.Join(config, name)
		if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
			return err
		}
		return os.Rename(path+".new", path)
	}
	return errors.Join(write("roles.yml", roles.String()), write("users_roles", members.String()), write("users", users.String()))
}

// SetUsers gives Elasticsearch with security other users in place of User, each with a
// role. It takes them up some seconds later (resource.reload.interval.high). Those of
// OpenSearch are changed by its API.
func (e *Engine) SetUsers(users map[Login]Role) error {
	if e.spec.security == nil || e.spec.dist.whole == "" {
		return errors.New("testengine: SetUsers is for Elasticsearch with security")
	}
	return e.spec.security.writeElasticsearchUsers(filepath.Join(e.spec.dir, "home", "config"), users)
}

// configureOpenSearch uses the plugin's own configuration, except for users, roles and
// the kind of login.
func (s *security) configureOpenSearch(config string, role Role, plugin string) error {
	const p = "plugins.security."
	s.settings = map[string]string{
		p + "allow_default_init_securityindex":            "true",
		p + "nodes_dn":                                    nodeDN,
		p + "password.hashing.algorithm":                  "pbkdf2",
		p + "ssl.http.enabled":                            "true",
		p + "ssl.transport.enforce_hostname_verification": "false",
	}
	for _, side := range []string{"http", "transport"} {
		s.settings[p+"ssl."+side+".pemcert_filepath"] = certFile
		s.settings[p+"ssl."+side+".pemkey_filepath"] = keyFile
		s.settings[p+"ssl."+side+".pemtrustedcas_filepath"] = caFile
	}
	users := map[string]any{}
	for _, l := range []Login{s.admin, s.user} {
		salt, hash, err := hashed(l, func(salt []byte) ([]byte, error) {
			return pbkdf2.Key(sha256.New, l.Password, salt, hashRounds, 32)
		})
		if err != nil {
			return err
		}
		// 3 stands for SHA-256; the number holds the rounds and the bits.
		users[l.User] = map[string]any{"hash": fmt.Sprintf("$3$%d$%s$%s", int64(hashRounds<<32|256), salt, hash)}
	}
	dir := filepath.Join(config, "opensearch-security")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(plugin, "config"))); err != nil {
		return err
	}
	write := func(name, kind string, content map[string]any) error {
		content["_meta"] = map[string]any{"type": kind, "config_version": 2}
		b, err := json.Marshal(content) // JSON is YAML
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), b, 0o600)
	}
	return errors.Join(
		write("internal_users.yml", "internalusers", users),
		write("roles.yml", "roles", map[string]any{roleName: map[string]any{
			"cluster_permissions": role.Cluster,
			"index_permissions":   []any{map[string]any{"index_patterns": role.Indices, "allowed_actions": role.IndicesRights}},
		}}),
		write("roles_mapping.yml", "rolesmapping", map[string]any{
			"all_access": map[string]any{"users": []string{s.admin.User}},
			roleName:     map[string]any{"users": []string{s.user.User}},
		}),
		write("config.yml", "config", map[string]any{"config": map[string]any{"dynamic": map[string]any{"authc": map[string]any{
			"basic": map[string]any{
				"http_enabled": true, "order": 0,
				"http_authenticator":     map[string]any{"type": "basic", "challenge": true},
				"authentication_backend": map[string]any{"type": "intern"},
			},
		}}}}),
	)
}

// hashed returns a new salt and the result of key for it, both in base64.
func hashed(l Login, key func(salt []byte) ([]byte, error)) (salt, hash string, err error) {
	b := make([]byte, 32)
	rand.Read(b)
	k, err := key(b)
	if err != nil {
		return "", "", fmt.Errorf("hashing the password of %v: %w", l, err)
	}
	return base64.StdEncoding.EncodeToString(b), base64.StdEncoding.EncodeToString(k), nil
}

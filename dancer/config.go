package dancer

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file is the configuration, and the files that it is read from.

// Config is the settings of sessions in an application's config.yml. LoadConfig makes
// it. It never shows a secret or password, however it is printed or encoded.
type Config struct {
	// Environment is the name of the environment, such as "production".
	Environment string

	// Files are the files that were read: config.yml, and the environment's if it
	// exists.
	Files []string

	// Servers are the addresses of the engine's nodes, as URLs with a port and
	// without a login. ClientConfig adds the logins.
	Servers []string

	// Timeout bounds the time of one request to the engine. 0: not set.
	Timeout time.Duration

	// Index and Type are the old module's place for documents.
	Index, Type string

	// Lazy is is_lazy: true if the application saves its sessions itself, by calling
	// flush. If is_lazy isn't set, Lazy is false, as documented; the module then takes
	// 1.
	Lazy bool

	// Cookie is the settings of the session's cookie.
	Cookie Cookie

	// Warnings are about settings that have no effect here, or another effect than it
	// seems, in the order of files and lines.
	Warnings []Warning

	signer *Signer
	login  func(server string) *url.Userinfo // a function, so that printing a Config shows no login
}

// Cookie is Dancer's settings of the session's cookie.
type Cookie struct {
	// Name is session_name. Defaults to "dancer.session".
	Name string

	// Expires is session_expires: the time for which the browser keeps the cookie. 0:
	// until the browser ends. At most cloakroom.MaxLifetime.
	Expires time.Duration

	// Secure is session_secure: the cookie travels by HTTPS alone.
	Secure bool

	// HTTPOnly is session_is_http_only: scripts don't see the cookie. Defaults
	// to true.
	HTTPOnly bool

	// Domain is session_domain. Defaults to "": the host alone.
	Domain string

	// SameSite is session_same_site, as the old application sent it. 0: not set; Dancer
	// 1.3521 then sends SameSite=None. Browsers refuse None for cookies that aren't
	// Secure; Config.NewCookie then has Lax in its place.
	SameSite http.SameSite
}

// Warning is a remark on a setting that is no error.
type Warning struct {
	File    string
	Line    int    // 0: the file as a whole
	Setting string // such as "session_options.connection.transport"
	Text    string // the remark, as a sentence about the setting
}

func (w Warning) String() string {
	where := w.File
	if w.Line > 0 {
		where += fmt.Sprintf(", line %d", w.Line)
	}
	return fmt.Sprintf("%s: %s %s", where, w.Setting, w.Text)
}

// Signer returns the Signer of the old module's cookies: of signing.secret and
// signing.length.
func (c *Config) Signer() *Signer { return c.signer }

// ClientConfig returns the client's configuration: Servers, with their logins. The
// result shows the logins.
func (c *Config) ClientConfig() elasticstore.ClientConfig {
	urls := make([]string, len(c.Servers))
	for i, server := range c.Servers {
		urls[i] = server
		if c.login == nil {
			continue // not made by LoadConfig
		}
		if user := c.login(server); user != nil {
			scheme, rest, _ := strings.Cut(server, "://")
			urls[i] = scheme + "://" + user.String() + "@" + rest
		}
	}
	return elasticstore.ClientConfig{URLs: urls}
}

// StoreConfig returns the store's settings that config.yml has: Index and Timeout.
func (c *Config) StoreConfig() elasticstore.Config {
	return elasticstore.Config{Index: c.Index, RequestTimeout: c.Timeout}
}

// LoadOptions are options of LoadConfig. The zero LoadOptions, and nil, are good.
type LoadOptions struct {
	// Environment is the environment's name. Defaults to Dancer's choice: the setting
	// environment of config.yml, the variables DANCER_ENVIRONMENT and PLACK_ENV, or
	// "development".
	Environment string
}

// LoadConfig reads the config.yml of a Dancer application, and the file of its
// environment: environments/NAME.yml beside it, or in the folder that the setting envdir
// or the variable DANCER_ENVDIR names. The environment's file may be missing, unless
// require_environment is set. If it is missing and the environment isn't just the
// default "development", that is a warning.
//
// The environment's settings are merged over the others as Dancer does it since 1.3127:
// groups setting by setting; lists and texts are replaced.
//
// An error about settings is a *ConfigError. It names every fault, a line each, with
// file and line number, and has the warnings.
func LoadConfig(path string, o *LoadOptions) (*Config, error) {
	var options LoadOptions
	if o != nil {
		options = *o
	}
	return load(path, options, os.Getenv, readFile)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

func load(path string, o LoadOptions, getenv func(string) string, file func(string) ([]byte, error)) (*Config, error) {
	found := new(findings)
	text, err := file(path)
	if err != nil {
		return nil, fmt.Errorf("dancer: %w", err)
	}
	settings := read(path, text, found)
	if err := found.err(); err != nil {
		return nil, err
	}
	if len(settings.keys) == 0 {
		found.fail(path, 0, "", "has no settings of a session: it needs at least %s", minimal)
		return nil, found.err()
	}
	c := &Config{Files: []string{path}}

	r := &settingsReader{found: found}
	set := perlOr(r.text(settings.get("environment"), "environment"))
	name := cmp.Or(o.Environment, set, perlOr(getenv("DANCER_ENVIRONMENT")), perlOr(getenv("PLACK_ENV")))
	c.Environment = cmp.Or(name, "development")
	if strings.ContainsAny(c.Environment, `/\`) || c.Environment == ".." || strings.ContainsRune(c.Environment, 0) {
		return nil, fmt.Errorf("dancer: the environment's name is %s: it must be the name of a file, without .yml",
			found.show(c.Environment))
	}
	dir := cmp.Or(perlOr(r.text(settings.get("envdir"), "envdir")), perlOr(getenv("DANCER_ENVDIR")), "environments")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(filepath.Dir(path), dir)
	}
	environment := filepath.Join(dir, c.Environment+".yml")
	switch text, err = file(environment); {
	case err == nil:
		c.Files = append(c.Files, environment)
		own := read(environment, text, found)
		if err := found.err(); err != nil {
			return nil, err
		}
		if base, over := settings.get("session_options"), own.get("session_options"); keeps(base, over) {
			found.warn(over.file, over.line, "session_options", "is merged with that of %s, as Dancer does since 1.3127. "+
				"Before, what stands here alone counted", path)
		}
		settings = merged(settings, own)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("dancer: the environment's settings: %w", err)
	case r.truth(settings.get("require_environment"), "require_environment"):
		return nil, fmt.Errorf("dancer: the environment's settings, which require_environment asks for: %w", err)
	case name != "":
		line := 0
		if o.Environment == "" && set != "" {
			line = settings.get("environment").line
		}
		found.warn(path, line, "environment", "is %s, but %s isn't there, so %s alone counts", quoted(name), guarded(plain(environment)), filepath.Base(path))
	}

	r.read(settings, c)
	r.try(settings, c)
	if err := found.err(); err != nil {
		return nil, err
	}
	c.Warnings = found.told()
	return c, nil
}

// plain returns a text as it is, or in quotes if that escapes anything.
func plain(text string) string {
	if q := strconv.Quote(text); q != `"`+text+`"` {
		return q
	}
	return text
}

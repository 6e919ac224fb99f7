package devices

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/agent"
)

// This file is Config and New.

// Config configures a Page. nil stands for the zero Config.
type Config struct {
	// SignInAgain is the URL of the page where a visitor who is signed in proves it anew,
	// in the form of New's signIn. Defaults to signIn.
	SignInAgain string

	// MaxAge is how long ago the sign-in of a visitor may be who ends other sessions.
	// Negative: however long. Defaults to 15 minutes.
	MaxAge time.Duration

	// Place returns where an address is, such as "Ghent, Belgium", in a few words; "" if
	// that isn't known. It is called for each device, while the visitor waits; the context is
	// the request's. Defaults to none.
	Place func(ctx context.Context, address string) string

	// Home is the URL of a page of the application that this one links to. Defaults to
	// none.
	Home string

	// Text translates a text of the page for a request. A text keeps its verbs, such as
	// %d, in their order. The text "en" is the language's tag, and "ltr" the direction of
	// its script. "" stands for the English text. Defaults to English.
	Text func(r *http.Request, english string) string

	// Stylesheet is the URL of a style sheet that is loaded after the page's own, such as
	// one that sets its variables. Defaults to none.
	Stylesheet string

	// Render writes the page in place of the one that comes with this package; Form says what
	// its forms post. The response's headers are set: its Content-Type is text/html, and the
	// Content-Security-Policy is the one that was set before, or one that says nothing of
	// what the page may load. After an error the visitor gets that of Manager.Fail.
	// Defaults to none.
	Render func(w io.Writer, r *http.Request, v *View) error

	// Now is the clock, that of the Manager. Defaults to time.Now.
	Now func() time.Time

	// Logger gets the errors for which it isn't certain that a session has ended, or after
	// which Admin.LastSignedOut doesn't tell of a sign-out everywhere.
	// Defaults to slog.Default().
	Logger *slog.Logger
}

// back stands for the page's own path in a URL.
const back = "{back}"

// New makes the page of a manager's sessions.
//
// signIn is the URL of the application's page to sign in, for visitors who aren't, or
// whose sign-in was too long ago: a path, or a URL with http or https. {back} in it stands
// for the path of the devices page, escaped for a query. The application must send nobody
// to another site by it: whoever makes a link chooses what is in its query.
//
// Errors: no manager, or a URL that can't work.
func New(sessions *cloakroom.Manager, signIn string, config *Config) (*Page, error) {
	if sessions == nil {
		return nil, errors.New("devices: no manager given: it is nil")
	}
	var c Config
	if config != nil {
		c = *config
	}
	if c.SignInAgain == "" {
		c.SignInAgain = signIn
	}
	for _, u := range []struct {
		name, url string
		optional  bool
	}{{"signIn", signIn, false}, {"Config.SignInAgain", c.SignInAgain, false}, {"Config.Home", c.Home, true}, {"Config.Stylesheet", c.Stylesheet, true}} {
		if u.optional && u.url == "" {
			continue
		}
		if err := checkURL(u.url); err != nil {
			return nil, fmt.Errorf("devices: %s is %q: %w", u.name, u.url, err)
		}
	}
	c.setDefaults()
	p := &Page{sessions: sessions, signIn: signIn, config: c, agents: agent.NewReader(), policy: policyOf(c.Stylesheet)}
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(p.deny))
	p.handler = guard.Handler(sessions.With(p.serve))
	return p, nil
}

// setDefaults completes a configuration.
func (c *Config) setDefaults() {
	if c.MaxAge == 0 {
		c.MaxAge = 15 * time.Minute
	}
	if c.Place == nil {
		c.Place = func(context.Context, string) string { return "" }
	}
	if c.Text == nil {
		c.Text = func(_ *http.Request, english string) string { return english }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

// checkURL checks a URL that the page links to.
func checkURL(s string) error {
	u, err := url.Parse(strings.ReplaceAll(s, back, ""))
	switch {
	case err != nil:
		return errors.New("it is no URL") // whose error repeats it
	case strings.HasPrefix(s, "/") && u.Host == "" && !strings.HasPrefix(s, `/\`):
		return nil
	case (u.Scheme == "https" || u.Scheme == "http") && u.Host != "":
		return nil
	}
	return errors.New("a path, such as /sign-in, or a URL with http or https is allowed")
}

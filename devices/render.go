package devices

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"net/http"
	"net/url"

	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is the page's own HTML.

//go:embed style.css
var style string

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// policyOf returns the Content-Security-Policy of the page's own HTML: it loads nothing
// but its style, which is in it, and the application's.
func policyOf(stylesheet string) string {
	sum := sha256.Sum256([]byte(style))
	sources := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	if u, err := url.Parse(stylesheet); err == nil && stylesheet != "" {
		if u.Host == "" {
			sources += " 'self'"
		} else {
			sources += " " + u.Scheme + "://" + u.Host
		}
	}
	return "default-src 'none'; style-src " + sources + "; img-src 'self'; " + framing
}

// render writes the page's own HTML.
func (p *Page) render(w io.Writer, r *http.Request, v *View) error {
	words := words{func(english string) string { return cmp.Or(p.config.Text(r, english), english) }, v.Now}
	return pageTemplate.Execute(w, &rendered{View: v, words: words, Style: template.CSS(style), Stylesheet: p.config.Stylesheet, Home: p.config.Home})
}

// rendered is the data of the template.
type rendered struct {
	*View
	words
	Style      template.CSS
	Stylesheet string
	Home       string
}

// shown is the number of devices that the page shows at once. The others are behind a
// word to click on.
const shown = 20

// First returns the devices that are shown at once.
func (d *rendered) First() []row { return d.rows(d.Devices[:min(shown, len(d.Devices))]) }

// More returns the other devices.
func (d *rendered) More() []row { return d.rows(d.Devices[min(shown, len(d.Devices)):]) }

// NotShown says how many sessions the page doesn't show, "" if it shows all.
func (d *rendered) NotShown() string {
	if d.Older == 0 {
		return ""
	}
	return d.count(d.Older, "1 session of an older sign-in isn't shown.", "Up to %d sessions of older sign-ins aren't shown.")
}

// Others reports whether there is any session but the visitor's own.
func (d *rendered) Others() bool { return len(d.Devices) > 1 || d.Older > 0 }

// MayRepeat reports whether there is a form to send once more.
func (d *rendered) MayRepeat() bool { return d.Outcome == Uncertain || d.Outcome == Changed }

// HasList reports whether the page shows the list.
func (d *rendered) HasList() bool { return len(d.Devices) > 0 }

// row is a device with the words for it.
type row struct {
	Device
	Title  string
	Active string
	Since  string
	Button bool // it can be ended
}

func (d *rendered) rows(devices []Device) []row {
	rows := make([]row, len(devices))
	for i, x := range devices {
		x.Client.Address = human.Printable(x.Client.Address)
		rows[i] = row{Device: x, Title: d.name(x), Active: d.active(x), Since: d.T("Signed in %s", d.Ago(x.Authenticated)), Button: x.Current || d.MayEnd}
		if x.Authenticated.IsZero() {
			rows[i].Since = ""
		}
	}
	return rows
}

// Title is the page's headline.
func (d *rendered) Title() string {
	switch d.Outcome {
	case SignedOut:
		return d.T("Signed out")
	case AllEnded:
		return d.T("Signed out everywhere")
	case SignIn:
		return d.T("You are not signed in")
	case SignInAgain:
		return d.T("Sign in again first")
	case Uncertain:
		return d.T("It isn't certain")
	case Changed:
		return d.T("Your session changed meanwhile")
	case Foreign, Senseless:
		return d.T("Nothing was changed")
	}
	return d.T("Where you are signed in")
}

// Said says what happened, "" if nothing was to happen.
func (d *rendered) Said() string {
	switch d.Outcome {
	case Ended:
		return d.T("That session has ended. It opens nothing any more.")
	case OthersEnded:
		return d.T("No other session is left: this one is the only one that opens.")
	case NotFound:
		return d.T("You have no such session. It may have ended already.")
	case SignedOut:
		return d.T("This session has ended, and its cookie opens nothing any more.")
	case SignIn:
		return d.T("Sign in to see where you are signed in.")
	case SignInAgain:
		return d.T("Ending sessions takes a recent sign-in. Nothing was ended yet. You stay signed in here.")
	case Uncertain:
		return d.T("The answer was lost on the way: what you wanted to end may have ended or not. Try again until it is certain.")
	case Changed:
		return d.T("Nothing was ended. Please try again.")
	case Foreign:
		return d.T("The request came from another site.")
	case Senseless:
		return d.T("The form could not be understood.")
	}
	return ""
}

// Ends says what a sign-out everywhere ended.
func (d *rendered) Ends() string {
	return d.count(d.WereOpen, "1 session was open, and has ended.", "%d sessions were open, and have ended.")
}

// Proof says what is left after it.
func (d *rendered) Proof() string {
	switch {
	case !d.Proved:
		return d.T("Your list could not be read again just now.")
	case d.Since > 0:
		return d.count(d.Since, "Your list was read again after that: it has 1 session, signed in since.", "Your list was read again after that: it has %d sessions, signed in since.")
	}
	return d.T("Your list was read again after that, and is empty: no session of yours opens any more.")
}

// part is the data of a part of the list.
type part struct {
	Page *rendered
	Rows []row
}

// List returns the data of a part of the list.
func (d *rendered) List(rows []row) part { return part{d, rows} }

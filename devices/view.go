package devices

import (
	"net/http"
	"time"
)

// This file is View, the data of a page.

// Outcome says which page it is.
type Outcome string

// The outcomes. The first four show the list.
const (
	Listed      Outcome = "listed"        // nothing was done
	Ended       Outcome = "ended"         // one session was ended: it isn't in the list
	OthersEnded Outcome = "others-ended"  // all others were ended: the list has none
	NotFound    Outcome = "not-found"     // the list has no such session; it may have ended meanwhile
	SignedOut   Outcome = "signed-out"    // the request's own session was ended
	AllEnded    Outcome = "all-ended"     // the principal was signed out everywhere
	SignIn      Outcome = "sign-in"       // nobody is signed in
	SignInAgain Outcome = "sign-in-again" // the sign-in was too long ago: nothing was done
	Uncertain   Outcome = "uncertain"     // what was to end may have ended or not; see View.Repeat
	Changed     Outcome = "changed"       // the token was renewed meanwhile: nothing was done; see View.Repeat
	Foreign     Outcome = "foreign"       // the request came from another site: nothing was done
	Senseless   Outcome = "senseless"     // the form isn't one of the page's: nothing was done
)

// View is what a page shows.
type View struct {
	Outcome Outcome
	Status  int       // of the response
	Now     time.Time // the moment of the page
	Devices []Device  // the request's own session first
	Older   int       // sessions that aren't among them, at most: see Page.Devices

	// SignedIn is when the visitor signed in, and MayEnd says that this was not too long
	// ago to end other sessions.
	SignedIn time.Time
	MayEnd   bool

	// WereOpen is the number of sessions that AllEnded ended. The list was read again after
	// that if Proved is true, and had Since sessions, of later sign-ins.
	WereOpen int
	Proved   bool
	Since    int

	// Repeat is the form to send once more.
	Repeat Form

	SignInURL      string
	SignInAgainURL string
}

// Form is the fields of a form, which is posted to the page's own URL, in the encoding that
// HTML's forms have by default. Config.Render writes such forms:
//
//	<form method="post" action="?"><input type="hidden" name="do" value="end"><button name="id" value="{{.ID}}">
type Form struct {
	Do string // the field "do": "end", "end-others" or "end-all"
	ID string // the field "id": Device.ID for "end"; else none, or ""
}

// status returns the status of an outcome's page.
func (o Outcome) status() int {
	switch o {
	case NotFound:
		return http.StatusNotFound
	case SignIn:
		return http.StatusUnauthorized
	case SignInAgain, Foreign:
		return http.StatusForbidden
	case Uncertain:
		return http.StatusServiceUnavailable
	case Changed:
		return http.StatusConflict
	case Senseless:
		return http.StatusBadRequest
	}
	return http.StatusOK
}

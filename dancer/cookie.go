package dancer

import (
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file reads Dancer's settings of the session's cookie.

func (r *settingsReader) cookie(settings *value, c *Cookie) {
	*c = Cookie{Name: "dancer.session", HTTPOnly: true}
	if v := settings.get("session_name"); perlTrue(r.text(v, "session_name")) {
		c.Name = v.text
		if err := (&http.Cookie{Name: c.Name, Value: "x"}).Valid(); err != nil {
			r.fail(v, "session_name", "is %s, which can't name a cookie: use letters, digits, - and _", quoted(v.text))
		}
	}
	c.Secure = r.truth(settings.get("session_secure"), "session_secure")
	if text := r.text(settings.get("session_domain"), "session_domain"); perlTrue(text) {
		c.Domain = text
		if err := (&http.Cookie{Name: "x", Value: "x", Domain: text}).Valid(); err != nil {
			r.fail(settings.get("session_domain"), "session_domain", "is %s, which is no domain", quoted(text))
		}
	}
	if v := settings.get("session_is_http_only"); v.is(scalar) {
		// Dancer compares the text with 0. Text that is no number is 0 then.
		if c.HTTPOnly = perlNumber.MatchString(v.text); !c.HTTPOnly {
			r.warn(v, "session_is_http_only", "is %s, so Dancer let scripts see the cookie. cloakroom's are always HttpOnly", quoted(v.text))
		}
	} else {
		r.text(v, "session_is_http_only")
	}
	if v := settings.get("session_same_site"); perlTrue(r.text(v, "session_same_site")) {
		switch strings.ToLower(v.text) {
		case "strict":
			c.SameSite = http.SameSiteStrictMode
		case "lax":
			c.SameSite = http.SameSiteLaxMode
		case "none":
			c.SameSite = http.SameSiteNoneMode
			if !c.Secure {
				r.warn(v, "session_same_site", "is None, and browsers refuse such a cookie without session_secure: 1. It is taken for Lax")
			}
		default:
			r.fail(v, "session_same_site", "is %s: it must be Strict, Lax or None", quoted(v.text))
		}
	}
	if v := settings.get("session_expires"); perlTrue(r.text(v, "session_expires")) {
		r.expires(v, c)
	}
}

// perlNumber matches a text that Perl takes for a number other than 0.
var perlNumber = regexp.MustCompile(`^\s*[-+]?(?:0*[1-9]|0*\.0*[1-9])`)

func (r *settingsReader) expires(v *value, c *Cookie) {
	const setting = "session_expires"
	seconds, ok := duration(v.text)
	switch most := cloakroom.MaxLifetime.Seconds(); {
	case !ok:
		r.warn(v, setting, "is %s, which Dancer doesn't understand and sends as it stands. So the cookie ends with the browser, "+
			"unless that is a date. Here it always does. Write for example \"3 weeks\"", quoted(v.text))
	case seconds <= 0:
		r.fail(v, setting, "is %s, which is over at once: browsers never keep the cookie", quoted(v.text))
	case seconds > most:
		r.warn(v, setting, "is %s, and browsers keep no cookie for more than 400 days. It is taken for that", quoted(v.text))
		c.Expires = cloakroom.MaxLifetime
	default:
		c.Expires = time.Duration(seconds) * time.Second
	}
}

var (
	plainSeconds = regexp.MustCompile(`^\s*([-+]?\d+(?:[.,]\d+)?)\s*$`)
	clock        = regexp.MustCompile(`\b(\d+):(\d\d):(\d\d)\b`)
	shortClock   = regexp.MustCompile(`\b(\d+):(\d\d)\b`)
	amount       = regexp.MustCompile(`(?i)^\s*([-+]?\d+(?:[.,]\d+)?)\s*([a-zA-Z]+)(?:\s*(?:,|and)\s*)*`)
)

// duration returns the seconds of a duration in Dancer::Cookie's form: a number of
// seconds, 1:30 or 1:30:00, or numbers with units, of which m is a minute and M a month.
// Dancer sends whole seconds.
func duration(text string) (seconds float64, ok bool) {
	if m := plainSeconds.FindStringSubmatch(text); m != nil {
		text = m[1] + "s"
	}
	text = clock.ReplaceAllString(text, "${1}h ${2}m ${3}s")
	text = shortClock.ReplaceAllString(text, "${1}h ${2}m")
	for {
		m := amount.FindStringSubmatch(text)
		if m == nil {
			break
		}
		text = text[len(m[0]):]
		unit := m[2]
		if len(unit) > 1 {
			unit = strings.ToLower(unit)
		}
		n, err := strconv.ParseFloat(strings.Replace(m[1], ",", ".", 1), 64)
		if units[unit] == 0 || err != nil && !math.IsInf(n, 0) {
			return 0, false
		}
		seconds += n * units[unit]
	}
	if strings.TrimSpace(text) != "" || math.IsNaN(seconds) {
		return 0, false
	}
	return math.RoundToEven(seconds), true
}

// units are those of Dancer::Cookie, in seconds.
var units = func() map[string]float64 {
	m := map[string]float64{}
	for seconds, names := range map[float64]string{
		1:           "s sec secs second seconds",
		60:          "m min mins minute minutes",
		3600:        "h hr hour hours",
		24 * 3600:   "d day days",
		7 * 86400:   "w week weeks",
		30 * 86400:  "M month months",
		365 * 86400: "y year years",
	} {
		for name := range strings.FieldsSeq(names) {
			m[name] = seconds
		}
	}
	return m
}()

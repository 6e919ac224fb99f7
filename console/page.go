package console

import (
	"bytes"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file makes pages of templates.

// page is what each page has.
type page struct {
	Title       string
	Here        string // the entry of the navigation
	Operator    Operator
	Environment string
	Production  bool
	Apps        []string
	URL         string // of this page
	Now         time.Time
	Jobs        int // that are under way
	Data        any
}

// Several reports whether there are several apps to choose from.
func (p page) Several() bool { return len(p.Apps) > 1 }

// table is a table of sessions.
type table struct {
	Caption string
	Rows    []row
}

// show sends a page. A script gets the part of it that goes on: the template whose name
// ends in -live.
func (c *Console) show(v *visit, status int, name, title, here string, data any) {
	p := page{
		Title: title, Here: here, Operator: v.op, Environment: c.config.Environment, Production: c.config.Production,
		URL: v.URL.RequestURI(), Now: v.now, Jobs: c.jobs.running(), Data: data,
	}
	for _, a := range c.config.Admins {
		p.Apps = append(p.Apps, a.App())
	}
	if live := name + "-live"; v.isFragment() && status == http.StatusOK && c.pages.Lookup(live) != nil {
		name = live
	}
	var body bytes.Buffer
	if err := c.pages.ExecuteTemplate(&body, name, p); err != nil { // a mistake in a template
		c.config.Logger.ErrorContext(v.Context(), "cloakroom console: a page couldn't be made", "page", name, "error", err)
		http.Error(v.w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(body.Bytes()) // the client hung up
}

// parse reads the templates.
func (c *Console) parse() (*template.Template, error) {
	return template.New("").Funcs(template.FuncMap{
		"asset":   c.assets.link,
		"to":      func(path string) string { return c.path + path },
		"query":   func(name, value string) template.URL { return encode(url.Values{name: {value}}) },
		"number":  human.Number,
		"counted": human.Counted,
		"size":    human.Size,
		"plain":   human.Printable,
		"when":    when,
		"seconds": func(d time.Duration) int { return max(1, int((d + time.Second - 1).Seconds())) },
		"reason":  reasonText,
		"page":    func(p page, data any) page { p.Data = data; return p },
		"rows":    func(caption string, rows []row) table { return table{caption, rows} },
	}).ParseFS(templates, "templates/*.html")
}

// encode returns parameters as a template puts them into an address as they are.
func encode(q url.Values) template.URL {
	return template.URL(q.Encode()) // which Encode has escaped
}

// moment is a time for people and machines.
type moment struct {
	Machine, Exact, Text string
}

// when tells a time beside that of the page.
func when(now, t time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	m := moment{t.UTC().Format(time.RFC3339), t.UTC().Format("2006-01-02 15:04:05 UTC"), human.Ago(now.Sub(t)) + " ago"}
	switch d := now.Sub(t); {
	case d < 0:
		const half = 30 * time.Second // 23h59m50s are 24h to people
		m.Text = "in " + human.Ago(-d+half)
		if -d < 2*time.Minute {
			m.Text = "in " + human.Ago(-d)
		}
	case d < 2*time.Second:
		m.Text = "just now"
	}
	return m
}

// reasonText tells people why a session ended.
func reasonText(why driver.EndReason) string {
	switch why {
	case driver.EndDestroyed:
		return "signed out"
	case driver.EndReplaced:
		return "replaced by a sign-in"
	case driver.EndRevoked:
		return "revoked"
	case driver.EndOverLimit:
		return "over the limit"
	case driver.EndExpired:
		return "idle for too long"
	case driver.EndAbandoned:
		return "its sign-in failed"
	}
	return string(why)
}

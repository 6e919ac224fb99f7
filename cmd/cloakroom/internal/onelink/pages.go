package onelink

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
)

// This file is the gate's pages. The link's page only asks: what merely looks at links,
// such as a preview, uses none up.

//go:embed enter.css
var style []byte

const policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Handler guards next, which is mounted at Path, and has the link's page. next asks Knows
// itself.
func (g *Gate) Handler(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		show(w, http.StatusForbidden, page{Title: "Another site sent this", Text: "Nothing was done."})
	}))
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+g.path+"enter/{secret}", g.ask)
	mux.Handle("POST "+g.path+"enter/{secret}", cross.Handler(http.HandlerFunc(g.use)))
	mux.Handle(g.path, next)
	mux.HandleFunc("GET /enter.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(style)
	})
	const how = "The console is reached by the link that was printed in the terminal. Press Enter there for a new one."
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		show(w, http.StatusOK, page{Title: "The operators' console", Text: how})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		show(w, http.StatusNotFound, page{Title: "There is nothing here", Text: how})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if HostOf(r.Host) != g.host { // a foreign name that was made to point here
			show(w, http.StatusMisdirectedRequest, page{Title: "This isn't known by that name", Text: "Open it by the link that was printed in the terminal."})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// page is a page of the gate.
type page struct {
	Title, Text string
	Post        string // the path that its button posts to; "": it has none
}

var pages = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{.Title}} · Cloakroom</title>
<link rel="stylesheet" href="/enter.css">
</head>
<body>
<main>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
{{with .Post}}<form method="post" action="{{.}}"><button autofocus>Open the console</button></form>{{end}}
</main>
</body>
</html>
`))

func show(w http.ResponseWriter, status int, p page) {
	var b bytes.Buffer
	if err := pages.Execute(&b, p); err != nil { // a mistake in the template
		http.Error(w, p.Title, status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client hung up
}

// over is the page of a link that isn't good.
func over(w http.ResponseWriter) {
	show(w, http.StatusGone, page{Title: "This link is over", Text: "A link is good once, for five minutes, and until there is a newer one. Press Enter in the terminal for a new one. If it was used and not by you, stop the console."})
}

// ask shows the button that uses the link.
func (g *Gate) ask(w http.ResponseWriter, r *http.Request) {
	secret := r.PathValue("secret")
	g.mu.Lock()
	good := g.isGood(secret)
	g.mu.Unlock()
	if !good {
		over(w)
		return
	}
	show(w, http.StatusOK, page{Title: "The operators' console", Text: "This link is good once. This browser is known afterwards, for 12 hours or until it or the console is closed.", Post: r.URL.Path})
}

// use uses the link, and has the browser known.
func (g *Gate) use(w http.ResponseWriter, r *http.Request) {
	cookie, ok := g.enter(r.PathValue("secret"))
	if !ok {
		over(w)
		return
	}
	// Plain HTTP on loopback: a cookie that is Secure isn't kept by all browsers.
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: cookie, Path: g.path, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	g.entered()
	http.Redirect(w, r, g.path, http.StatusSeeOther)
}

package onelink

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const host = "127.0.0.1:4321"

// rig is a gate before a page that says who comes.
type rig struct {
	*testing.T
	*Gate
	now     time.Time
	entered atomic.Int64
	handler http.Handler
}

func newRig(t *testing.T) *rig {
	r := &rig{T: t, now: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)}
	r.Gate = New(host, func() time.Time { return r.now }, func() { r.entered.Add(1) })
	r.handler = r.Handler(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if !r.Knows(q) {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	return r
}

func (r *rig) do(method, path string, headers ...string) *httptest.ResponseRecorder {
	q := httptest.NewRequest(method, path, nil)
	q.Host = host
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, q)
	return w
}

const same = "same-origin"

// TestLink: a link is looked at as often as one likes, and used once. The browser is known
// by its cookie then.
func TestLink(t *testing.T) {
	r := newRig(t)
	link, _ := r.NewLink()
	if w := r.do("GET", "/"); w.Code != http.StatusOK || strings.Contains(w.Body.String(), r.Path()) {
		t.Errorf("the door: %d %s", w.Code, w.Body)
	}
	if w := r.do("GET", r.Path()); w.Code != http.StatusUnauthorized {
		t.Errorf("without a link: %d", w.Code)
	}
	for range 3 {
		w := r.do("GET", link)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `<form method="post" action="`+link+`">`) || len(w.Result().Cookies()) > 0 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if h := w.Header(); h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%v", h)
		}
	}
	if w := r.do("HEAD", link); w.Code != http.StatusOK || r.entered.Load() != 0 {
		t.Errorf("a look: %d", w.Code)
	}
	w := r.do("POST", link, "Sec-Fetch-Site", same)
	cookies := w.Result().Cookies()
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != r.Path() || len(cookies) != 1 || r.entered.Load() != 1 {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	c := cookies[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != r.Path() || len(c.Path) < 22 || c.Domain != "" {
		t.Errorf("%+v", c)
	}
	if w := r.do("GET", r.Path()+"sessions", "Cookie", c.Name+"="+c.Value); w.Code != http.StatusOK {
		t.Errorf("with the cookie: %d", w.Code)
	}
	for _, other := range []string{"", "x", c.Value + "x", c.Value[1:], link[strings.LastIndex(link, "/")+1:]} {
		if w := r.do("GET", r.Path()+"sessions", "Cookie", c.Name+"="+other); w.Code != http.StatusUnauthorized {
			t.Errorf("with the cookie %q: %d", other, w.Code)
		}
	}
	// Stolen: whoever comes second, or a third time, gets nothing.
	for range 2 {
		for _, method := range []string{"GET", "POST"} {
			if w := r.do(method, link, "Sec-Fetch-Site", same); w.Code != http.StatusGone || len(w.Result().Cookies()) > 0 {
				t.Errorf("%s again: %d", method, w.Code)
			}
		}
	}
	if r.entered.Load() != 1 {
		t.Error("entered twice")
	}
	r.now = r.now.Add(lasts)
	if w := r.do("GET", r.Path(), "Cookie", c.Name+"="+c.Value); w.Code != http.StatusUnauthorized {
		t.Errorf("a day later: %d", w.Code)
	}
}

// TestTwoAtOnce: of many that use a link at the same moment one gets in.
func TestTwoAtOnce(t *testing.T) {
	r := newRig(t)
	link, _ := r.NewLink()
	var in atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if r.do("POST", link, "Sec-Fetch-Site", same).Code == http.StatusSeeOther {
				in.Add(1)
			}
		})
	}
	all.Wait()
	if in.Load() != 1 {
		t.Errorf("%d got in", in.Load())
	}
}

// TestOver: a link is over after five minutes, and as soon as there is another.
func TestOver(t *testing.T) {
	r := newRig(t)
	first, _ := r.NewLink()
	second, until := r.NewLink()
	if w := r.do("POST", first, "Sec-Fetch-Site", same); w.Code != http.StatusGone {
		t.Errorf("the one before: %d", w.Code)
	}
	if until.Sub(r.now) != 5*time.Minute {
		t.Error(until)
	}
	r.now = until
	for _, method := range []string{"GET", "POST"} {
		if w := r.do(method, second, "Sec-Fetch-Site", same); w.Code != http.StatusGone {
			t.Errorf("%s, too late: %d", method, w.Code)
		}
	}
}

// TestRefused: foreign hosts, posts of other sites, and what merely looks like a link.
func TestRefused(t *testing.T) {
	r := newRig(t)
	link, _ := r.NewLink()
	for _, other := range []string{"evil.example", "localhost:4321", "127.0.0.1:4322", "127.0.0.1", "evil.example:4321"} {
		q := httptest.NewRequest("POST", link, nil)
		q.Host = other
		q.Header.Set("Sec-Fetch-Site", same)
		w := httptest.NewRecorder()
		if r.handler.ServeHTTP(w, q); w.Code != http.StatusMisdirectedRequest {
			t.Errorf("host %s: %d", other, w.Code)
		}
	}
	for _, site := range []string{"cross-site", "same-site"} {
		if w := r.do("POST", link, "Sec-Fetch-Site", site); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", site, w.Code)
		}
	}
	for _, path := range []string{r.Path() + "enter/", r.Path() + "enter/x", link + "x", link[:len(link)-1], "/x/enter/" + link[strings.LastIndex(link, "/")+1:]} {
		if w := r.do("POST", path, "Sec-Fetch-Site", same); w.Code < 400 || len(w.Result().Cookies()) > 0 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	for _, value := range []string{"", "x", link[strings.LastIndex(link, "/")+1:]} {
		if w := r.do("GET", r.Path(), "Cookie", cookieName+"="+value); w.Code != http.StatusUnauthorized {
			t.Errorf("cookie %q: %d", value, w.Code)
		}
	}
	if w := r.do("POST", link, "Sec-Fetch-Site", same); w.Code != http.StatusSeeOther {
		t.Errorf("the link was used up: %d", w.Code)
	}
}

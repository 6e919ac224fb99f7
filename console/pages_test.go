package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/console"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the tests of the pages that show.

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"

// TestPages goes through all pages, on each store.
func TestPages(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, store)
			ann := r.comes(comer{principal: "ann", agent: firefox, address: "203.0.113.7", cart: "a hat"})
			bob := r.comes(comer{principal: "bob", agent: "curl/8", cart: "boots"})
			r.comes(comer{agent: firefox})
			if err := r.manager.Admin().Revoke(t.Context(), bob); err != nil {
				t.Fatal(err)
			}
			r.until("the figures", func() bool { return strings.Contains(text(r.page("/")), "Active 2") })
			r.wants(r.page("/"), "test", "olga", "signed in 1", "anonymous 1", "begun in 1 h 2", "ended in 1 h 1", "Begun, and still there", "this manager has nothing removed that is over")

			r.wants(r.page("/sessions"), ann.String(), "ann", "203.0.113.7", "Firefox", "nobody")
			r.lacks(r.page("/sessions"), bob.String())
			r.wants(r.page("/sessions?state=ended"), bob.String(), "revoked")
			r.wants(r.page("/sessions?state=all"), bob.String(), ann.String())
			r.wants(r.page("/sessions?principal=ann"), ann.String())
			r.wants(r.page("/sessions?address=203.0.113.0/24"), ann.String())
			r.wants(r.page("/sessions?agent=firefox&used=1h&newer=1h"), ann.String())
			r.wants(r.page("/sessions?idle=1h"), "No session matches")
			r.wants(r.page("/sessions?order=seen"), ann.String())

			r.wants(r.page("/session/"+ann.String()), "Made", "Deadline", "cart <b>", "7 B", "203.0.113.7", "Firefox")
			r.lacks(r.page("/session/"+ann.String()), "a hat")
			r.wants(r.page("/session/"+bob.String()), "Ended", "revoked", "Grave kept until")

			r.wants(r.page("/principals"), "exactly as the application")
			r.wants(r.page("/principals?principal=ann"), "1 session in the app session", ann.String(), "Not signed out everywhere")
			r.wants(r.page("/principals?principal=bob"), "Signed in nowhere", bob.String(), "revoked")
			r.wants(r.page("/jobs"), "Nobody has ended")
			r.until("the report", func() bool { return !strings.Contains(text(r.page("/health")), "Still being") })
			r.wants(r.page("/health"), "sweep-off", "What to do:")
		})
	}
}

// TestBadURLs: each parameter that can't be understood is refused, and named.
func TestBadURLs(t *testing.T) {
	r := newRig(t, nil)
	for path, want := range map[string]string{
		"/sessions?principle=ann":              "principle",
		"/sessions?principal=a&principal=b":    "twice",
		"/sessions?principal=%01":              "control character",
		"/sessions?principal=%ff":              "UTF-8",
		"/sessions?address=300.1.1.1":          "address",
		"/sessions?newer=yesterday":            "newer",
		"/sessions?older=0s":                   "older",
		"/sessions?used=9999d":                 "used",
		"/sessions?idle=-5m":                   "idle",
		"/sessions?newer=1h&older=2h":          "exclude each other",
		"/sessions?used=1h&idle=1h":            "exclude each other",
		"/sessions?state=dead":                 "state",
		"/sessions?order=random":               "order",
		"/sessions?reason=revoked":             "state=ended",
		"/sessions?state=ended&reason=boredom": "reason",
		"/sessions?state=ended&agent=x":        "kept",
		"/sessions?state=all&used=1h":          "kept",
		"/sessions?after=nonsense":             "cursor",
		"/sessions?before=nonsense":            "cursor",
		"/sessions?after=a&before=b":           "exclude each other",
		"/sessions?id=short":                   "22",
		"/sessions?a;b":                        "read",
		"/sessions?%zz=1":                      "read",
		"/principals?principal=%01":            "control character",
		"/principals?x=1":                      "principal and app",
		"/principals?principal=a&principal=b":  "once",
		"/ending?principle=ann":                "principle",
		"/ending?state=ended":                  "live sessions",
		"/ending?after=x":                      "after",
		"/?range=year":                         "range",
		"/?x=1":                                "app and range",
		"/health?x=1":                          "no parameters",
	} {
		w := r.do(http.MethodGet, path, nil)
		if said := text(w.Body.String()); w.Code != http.StatusBadRequest || !strings.Contains(said, want) {
			t.Errorf("%s: %d %s, want %q", path, w.Code, said, want)
		}
	}
	for _, path := range []string{"/sessions?app=other", "/principals?app=other", "/?app=other", "/session/nonsense", "/session/AaCGUF5AAlI9brXgbqNiHQ", "/jobs/x", "/nowhere", "/session/"} {
		if w := r.do(http.MethodGet, path, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := r.do(http.MethodPost, "/sessions", url.Values{}); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /sessions: %d", w.Code)
	}
	if w := r.do(http.MethodGet, "/sessions?principal=&state=&order=oldest", nil); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/sessions?order=oldest" {
		t.Errorf("empty fields: %d %s", w.Code, w.Header().Get("Location"))
	}
	id := r.comes(comer{})
	if w := r.do(http.MethodGet, "/sessions?id="+id.String(), nil); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/session/"+id.String() {
		t.Errorf("an id: %d %s", w.Code, w.Header().Get("Location"))
	}
}

// TestForeign: a session of an app that isn't shown is none.
func TestForeign(t *testing.T) {
	r := newRig(t, nil)
	id := r.comes(comer{principal: "ann"})
	c, err := console.New(&console.Config{
		Admins: []*cloakroom.Admin{cloakroom.NewAdmin(r.store, "other")}, Writable: true,
		Authorize: func(*http.Request) (console.Operator, error) { return all, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r.console = c
	for _, end := range []string{"", "/end", "/values"} {
		method := http.MethodGet
		var form url.Values
		if end != "" {
			method, form = http.MethodPost, url.Values{"reason": {"x"}}
		}
		if w := r.do(method, "/session/"+id.String()+end, form); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", end, w.Code)
		}
	}
	if _, err := r.manager.Admin().Find(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// TestPaging: there and back again, each page as it was.
func TestPaging(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, store)
			for i := range 120 {
				r.comes(comer{principal: fmt.Sprintf("user%03d", i)})
			}
			link := func(page, rel string) string {
				before, _, ok := strings.Cut(page, `" rel="`+rel+`"`)
				if !ok {
					return ""
				}
				return strings.ReplaceAll(before[strings.LastIndex(before, `"`)+1:], "&amp;", "&")
			}
			var pages []string
			path := "/sessions"
			for path != "" {
				page := r.page(path)
				pages = append(pages, rowsOf(page))
				if next := link(page, "next"); next != "" {
					path = next
					continue
				}
				break
			}
			if len(pages) != 3 || strings.Count(pages[0], " ") != 49 || strings.Count(pages[2], " ") != 19 {
				t.Fatalf("%d pages: %q", len(pages), pages)
			}
			for n := 1; n >= 0; n-- {
				page := r.page(path)
				path = link(page, "prev")
				if got := rowsOf(r.page(path)); got != pages[n] {
					t.Errorf("page %d is\n%s\nwant\n%s", n, got, pages[n])
				}
			}
			if back := link(r.page(path), "prev"); back != "" {
				t.Errorf("before the first there is %s", back)
			}
		})
	}
}

// rowsOf returns the ids of a page.
func rowsOf(page string) string {
	var ids []string
	for _, part := range strings.Split(page, `class="id" href="/session/`)[1:] {
		id, _, _ := strings.Cut(part, `"`)
		ids = append(ids, id)
	}
	return strings.Join(ids, " ")
}

// TestNews: sessions that were made since are told, and the page stays.
func TestNews(t *testing.T) {
	r := newRig(t, nil)
	r.comes(comer{principal: "ann"})
	page := r.page("/sessions")
	_, rest, _ := strings.Cut(page, `id="news"`)
	_, rest, _ = strings.Cut(rest, `hx-get="`)
	link, _, _ := strings.Cut(rest, `"`)
	link = strings.ReplaceAll(link, "&amp;", "&")
	if got := r.do(http.MethodGet, link, nil, "HX-Request", "true").Body.String(); text(got) != "" || !strings.Contains(got, `id="news"`) {
		t.Errorf("nothing is new: %s", got)
	}
	r.later() // sessions of one millisecond can't be told apart
	r.comes(comer{principal: "bob"})
	r.comes(comer{principal: "ann"})
	// Another filter is another figure: that of the page above is good for some seconds.
	got := r.do(http.MethodGet, link+"&principal=bob", nil, "HX-Request", "true").Body.String()
	r.wants(got, "1 new session: show")
	r.lacks(got, "<html")
	if w := r.do(http.MethodGet, link, nil); w.Code != http.StatusSeeOther {
		t.Errorf("without a script: %d", w.Code)
	}
}

// TestFragments: a script gets the part that goes on, from the same address.
func TestFragments(t *testing.T) {
	r := newRig(t, nil)
	for _, path := range []string{"/", "/health"} {
		part := r.do(http.MethodGet, path, nil, "HX-Request", "true").Body.String()
		r.lacks(part, "<html", "<main")
		if !strings.Contains(part, `hx-get="`+path+`"`) || !strings.Contains(part, "load delay:") {
			t.Errorf("%s: %s", path, part)
		}
	}
	// A page that outlived its job asks no more.
	part := r.do(http.MethodGet, "/jobs/"+strings.Repeat("A", 22), nil, "HX-Request", "true")
	r.wants(part.Body.String(), "no longer known")
	r.lacks(part.Body.String(), "<html", "hx-get")
	if !strings.Contains(part.Body.String(), `id="job"`) || part.Code != http.StatusOK {
		t.Errorf("%d %s", part.Code, part.Body)
	}
}

// TestMarkup: markup in what visitors send, and in names of values, is text.
func TestMarkup(t *testing.T) {
	const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>`
	r := newRig(t, nil)
	id := r.comes(comer{principal: evil, agent: evil, cart: evil})
	ended := r.comes(comer{principal: evil, agent: evil})
	r.post("/session/"+ended.String()+"/end", url.Values{"reason": {evil}})
	form := hidden(r.page("/principals?principal=" + url.QueryEscape(evil)))
	form.Set("reason", evil)
	job := r.post("/principals/sign-out", form)
	pages := []string{r.result(job)}
	for _, path := range []string{"/", "/sessions", "/sessions?agent=" + url.QueryEscape(evil), "/sessions?state=all", "/session/" + id.String(), "/session/" + ended.String(),
		"/principals?principal=" + url.QueryEscape(evil), "/jobs", "/ending?agent=" + url.QueryEscape(evil)} {
		pages = append(pages, r.page(path))
	}
	again := r.comes(comer{principal: evil, agent: evil, cart: evil})
	pages = append(pages, r.do(http.MethodPost, "/session/"+again.String()+"/values", url.Values{"reason": {evil}}).Body.String(),
		r.do(http.MethodGet, "/sessions?state="+url.QueryEscape(evil), nil).Body.String(),
		r.do(http.MethodGet, "/sessions?"+url.QueryEscape(evil)+"=1", nil).Body.String(),
		r.do(http.MethodGet, "/session/"+url.PathEscape(evil), nil).Body.String())
	for _, page := range pages {
		r.lacks(page, "<script>alert", "<img src=x", "cart <b>")
	}
}

// TestDirections: what turns the direction of text, or isn't seen, is shown escaped and apart
// from what stands around it.
func TestDirections(t *testing.T) {
	const turn = "\u202e"
	const who = "bob" + turn + "nna"
	r := newRig(t, nil)
	r.op.Name = "olga" + turn
	id := r.comes(comer{principal: who, agent: "curl" + turn, address: "203.0.113.7", cart: "a" + turn})
	ended := r.comes(comer{principal: who, agent: "curl" + turn})
	r.post("/session/"+ended.String()+"/end", url.Values{"reason": {"a slip"}})
	query := url.QueryEscape(who)
	reveal := r.do(http.MethodPost, "/session/"+id.String()+"/values", url.Values{"reason": {"ticket"}}).Body.String()
	r.wants(reveal, `"a\u202e"`)
	r.later()
	job := r.post("/ending?principal="+query, forEnding(r, "/ending?principal="+query))
	pages := map[string]string{job: r.result(job), "reveal": reveal}
	for _, path := range []string{"/sessions", "/sessions?state=all", "/session/" + id.String(), "/principals?principal=" + query, "/jobs", "/ending?agent=curl", "/ending?principal=" + query} {
		pages[path] = r.page(path)
	}
	for path, page := range pages {
		shown := regexp.MustCompile(`value="[^"]*"`).ReplaceAllString(page, "") // a field has what is sent
		if strings.Contains(shown, turn) || !strings.Contains(page, `<bdi>olga\u202e</bdi>`) {
			t.Errorf("%s:\n%s", path, page)
		}
	}
	for _, path := range []string{"/session/" + id.String(), "/principals?principal=" + query, "/jobs", job} {
		r.wants(pages[path], `bob\u202enna`)
		if !strings.Contains(pages[path], `<bdi>bob\u202enna</bdi>`) {
			t.Errorf("%s: the principal isn't set apart", path)
		}
	}
}

// TestManySessions: of a principal with many sessions the page shows those of the latest
// sign-ins, and says so.
func TestManySessions(t *testing.T) {
	r := newRig(t, nil)
	first := r.comes(comer{principal: "ann"})
	for range 200 {
		r.comes(comer{principal: "ann"})
	}
	page := r.page("/principals?principal=ann")
	r.wants(page, "At most 201 sessions", "those of the 1 oldest sign-ins aren't looked at", "All of them, the oldest first")
	r.lacks(page, first.String())
	if n := len(strings.Fields(rowsOf(page))); n != 200 {
		t.Errorf("%d are shown", n)
	}
	form := hidden(page)
	form.Set("reason", "x")
	r.wants(r.result(r.post("/principals/sign-out", form)), "201 sessions ended", "None is left")
}

// TestTwoApps: each app has its figures, its sessions and its principals.
func TestTwoApps(t *testing.T) {
	store := memstore.New(nil)
	defer store.Close()
	other := newOther(t, store)
	r := newRig(t, store, func(c *console.Config) {
		c.Admins = []*cloakroom.Admin{c.Manager.Admin(), other.manager.Admin()}
	})
	here, there := r.comes(comer{principal: "ann"}), other.comes(comer{principal: "ann", agent: "curl/8"})
	r.until("the figures", func() bool { return strings.Count(text(r.page("/")), "Active 1") == 2 })
	r.wants(r.page("/?app=other"), "other over time")
	for app, ids := range map[string][2]cloakroom.ID{"session": {here, there}, "other": {there, here}} {
		for _, path := range []string{"/sessions?app=" + app, "/principals?principal=ann&app=" + app, "/ending?agent=&app=" + app} {
			w := r.do(http.MethodGet, strings.Replace(path, "agent=&", "", 1), nil)
			r.wants(w.Body.String(), ids[0].String())
			r.lacks(w.Body.String(), ids[1].String())
		}
		r.wants(r.page("/session/"+ids[0].String()), "App "+app)
	}
	r.later()
	form := forEnding(r, "/ending?app=other")
	r.wants(r.result(r.post("/ending?app=other", form)), "done", "1 of 1 ended")
	if _, err := r.manager.Admin().Find(t.Context(), here); err != nil {
		t.Errorf("the other app's session: %v", err)
	}
}

// TestLongLife: the moments of the longest life are in their order on its line.
func TestLongLife(t *testing.T) {
	store := memstore.New(nil)
	defer store.Close()
	now := time.Now().Truncate(time.Millisecond)
	rec := &driver.Record{
		ID: driver.NewID(driver.LayoutDay, now), Kind: driver.KindSession, App: "session", Created: now, Seen: now,
		Expires: now.Add(driver.MaxLifetime / 2), Deadline: now.Add(driver.MaxLifetime),
	}
	if _, err := store.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, store)
	var at []string
	for _, m := range regexp.MustCompile(`class="tick[^"]*" x1="([^"]*)"`).FindAllStringSubmatch(r.page("/session/"+rec.ID.String()), -1) {
		at = append(at, m[1])
	}
	if !slices.Equal(at, []string{"0", "0", "500", "1000"}) && !slices.Equal(at, []string{"0", "0", "499", "1000"}) {
		t.Errorf("made, last seen, expires and its deadline are at %v", at)
	}
}

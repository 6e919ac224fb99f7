package dancer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests the Importer by itself: which cookies it accepts, and what it makes of
// an engine's answers.

const documented = "ldjaldjaklsdanm.m" // the secret in the module's documentation

// engine answers requests in place of an engine.
type engine func(path, body string) (status int, answer string)

func (e engine) Perform(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	path := r.URL.Path
	if r.Method == http.MethodDelete {
		path = "DELETE " + path
	}
	status, answer := e(path, string(body))
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(answer))}, nil
}

func importConfig(t testing.TB, secret string, length int) *Config {
	t.Helper()
	return &Config{Index: "my_index", Cookie: Cookie{Name: "dancer.session", HTTPOnly: true}, signer: signer(t, secret, length)}
}

func importerOf(t testing.TB, c *Config, e engine) cloakroom.Importer {
	t.Helper()
	im, err := c.Import(e, ImportOptions{Until: time.Now().Add(time.Hour), AllowShort: true})
	if err != nil {
		t.Fatal(err)
	}
	return im.From
}

func withCookies(lines ...string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
	r.Header["Cookie"] = lines
	return r
}

// TestFindRecorded: a recorded cookie is found exactly if the old module asked the engine
// for its document, and the token is the same in each of its spellings.
func TestFindRecorded(t *testing.T) {
	r := recorded(t)
	found := 0
	for _, v := range append(r.Signing, r.Sessions...) {
		if v.Secret == "" || v.Length == 0 || v.Length > MaxLength || v.Log != "" {
			continue // refused here, or never verified by the old module
		}
		i := importerOf(t, importConfig(t, v.Secret, v.Length), nil)
		for _, spelling := range []string{v.Value, url.QueryEscape(v.Value), v.Value + "%0A", v.Value + "&x"} {
			got, err := i.Find(withCookies("a=b; dancer.session=" + spelling + "; c=d"))
			if err != nil || got.ID != v.ID || got.Credential != v.Value {
				t.Errorf("%s: found the id %q with the credential %q: %v", spelling, got.ID, got.Credential, err)
			}
		}
		found++
	}
	asked := regexp.MustCompile(`^GET /[^/]+/[^/]+/(\S+) -> `)
	for _, v := range r.Tampered {
		if v.Secret == "" { // cases that the recording adds last
			v.Secret, v.Length = documented, 10
		}
		want, begun := "", false // with a session other than this value's
		for _, line := range v.ES {
			if strings.HasPrefix(line, "POST ") {
				begun = true
			} else if m := asked.FindStringSubmatch(line); m != nil && !begun {
				want = m[1]
			}
		}
		value := dancerValue(v.CookieWire)
		if v.Dancer == "1.3521" && !accepts1_3521.MatchString(value) && want == "" {
			continue // Dancer refused it before the module saw it, as it did good ones
		}
		got, err := importerOf(t, importConfig(t, v.Secret, v.Length), nil).Find(withCookies(v.CookieWire))
		switch {
		case want != "":
			found++
			if err != nil || got.ID != want {
				t.Errorf("%s, %s: found %q, %v; want the id %q", v.Dancer, v.Case, got.ID, err, want)
			}
		case v.Case == "zero": // Dancer takes it for no cookie
			if !errors.Is(err, cloakroom.ErrNotFound) {
				t.Errorf("%s, %s: %v, want ErrNotFound", v.Dancer, v.Case, err)
			}
		case !errors.Is(err, cloakroom.ErrForged):
			t.Errorf("%s, %s: %v, want ErrForged", v.Dancer, v.Case, err)
		}
		if err != nil && value != "" && len(value) > 3 && strings.Contains(err.Error(), value) {
			t.Errorf("%s: the error shows the cookie: %v", v.Case, err)
		}
	}
	if found < 60 {
		t.Errorf("%d recorded cookies were found: the test reads the recordings wrongly", found)
	}
}

func TestFind(t *testing.T) {
	c := importConfig(t, documented, 10)
	const good, id, other = "f49cb62faf84ospJPzsMt4hHBaIB85E4Kglfp2y8", "t4hHBaIB85E4Kglfp2y8", "0ac958f800FFzS2jddtTuIhHBaIB85E4Kglfp2zw"
	sign := func(salt, id string) string { return c.signer.Hash(id, salt) + salt + id }
	for _, test := range []struct {
		what    string
		cookies []string
		id      string // "": see err
		token   string
		err     error
	}{
		{"no cookie", nil, "", "", cloakroom.ErrNotFound},
		{"others", []string{"a=b; session=" + good}, "", "", cloakroom.ErrNotFound},
		{"an empty one", []string{"dancer.session="}, "", "", cloakroom.ErrNotFound},
		{"one without a value", []string{"dancer.session"}, "", "", cloakroom.ErrNotFound},
		{"another's name at its end", []string{"x-dancer.session=" + good}, "", "", cloakroom.ErrNotFound},
		{"the last of two", []string{"dancer.session=" + other + "; dancer.session=" + good}, id, good, nil},
		{"the last of two lines", []string{"dancer.session=" + other, "a=b; dancer.session=" + good}, id, good, nil},
		{"the last is wrong", []string{"dancer.session=" + good + "; dancer.session=x" + good}, "", "", cloakroom.ErrForged},
		{"the last is empty", []string{"dancer.session=" + good + "; dancer.session="}, "", "", cloakroom.ErrNotFound},
		{"spaces around", []string{" a=b ;dancer.session = " + good + " ; c=d"}, id, good, nil},
		{"percent-encoded", []string{"dancer.session=%66%349cb62faf84ospJPzsM%74%34hHBaIB85E4Kglfp2y8"}, id, good, nil},
		{"a percent sign that begins no code", []string{"dancer.session=" + sign("%zz%2%%%41"[:10], "a%g%")}, "", "", cloakroom.ErrForged},
		{"the same in the id", []string{"dancer.session=" + sign("0123456789", "a%g%")}, "a%g%", sign("0123456789", "a%g%"), nil},
		{"a salt that ends with spaces", []string{"dancer.session=" + c.signer.Hash("id", "abc") + "abc%20%20%20%20%20%20%20id"}, "id", c.signer.Hash("id", "abc") + "abcid", nil},
		{"an id that ends with white space", []string{"dancer.session=" + good + "%20%09%00%0d"}, id, good, nil},
		{"upper case", []string{"dancer.session=" + strings.ToUpper(good[:10]) + good[10:]}, "", "", cloakroom.ErrForged},
		{"no id", []string{"dancer.session=" + sign("0123456789", "")}, "", "", cloakroom.ErrForged},
	} {
		got, err := importerOf(t, c, nil).Find(withCookies(test.cookies...))
		if !errors.Is(err, test.err) || got.ID != test.id || got.Credential != test.token {
			t.Errorf("%s: found %q with %q, %v; want %q with %q, %v", test.what, got.ID, got.Credential, err, test.id, test.token, test.err)
		}
	}
	if _, err := new(Importer).Find(withCookies("=" + good)); !errors.Is(err, cloakroom.ErrForged) {
		t.Errorf("the zero Importer: %v", err)
	}
}

// TestShortSignatures: cookies whose signature can be guessed are imported only if that
// is asked for.
func TestShortSignatures(t *testing.T) {
	for length, fine := range map[int]bool{1: false, 7: false, 8: true, 40: true} {
		c := importConfig(t, documented, length)
		_, err := c.Import(engine(nil), ImportOptions{})
		if (err == nil) != fine || err != nil && !strings.Contains(err.Error(), "AllowShort") {
			t.Errorf("length %d: %v", length, err)
		}
		if _, err := c.Import(engine(nil), ImportOptions{AllowShort: true}); err != nil {
			t.Errorf("length %d, allowed: %v", length, err)
		}
	}
	if _, err := new(Config).Import(engine(nil), ImportOptions{}); err == nil {
		t.Error("a Config that LoadConfig didn't make was taken")
	}
	if _, err := importConfig(t, documented, 10).Import(nil, ImportOptions{}); err == nil {
		t.Error("no client was taken")
	}
}

// mget is the engine's answer to the reading of a document.
func mget(doc string) string { return `{"docs":[{"_index":"my_index","_id":"x",` + doc + `}]}` }

func TestLoad(t *testing.T) {
	c := importConfig(t, documented, 10)
	const id = "t4hHBaIB85E4Kglfp2y8"
	value := c.signer.Hash(id, "84ospJPzsM") + "84ospJPzsM" + id
	token := cloakroom.ForeignToken{ID: id, Credential: value}
	found := func(source string) string {
		return mget(`"found":true,"_seq_no":7,"_primary_term":3,"_source":` + source)
	}
	const secret = "s3cretvalue"
	for _, test := range []struct {
		what   string
		status int
		answer string
		want   error
	}{
		{"a document", 200, found(`{"user":"ann","n":9007199254740993,"id":"` + value + `"}`), nil},
		{"of another salt", 200, found(`{"user":"` + secret + `","id":"` + c.signer.Hash(id, "other.salt") + "other.salt" + id + `"}`), cloakroom.ErrForged},
		{"without an id", 200, found(`{"user":"` + secret + `"}`), cloakroom.ErrForged},
		{"with an id that is no text", 200, found(`{"id":7}`), cloakroom.ErrForged},
		{"an empty one", 200, found(`{}`), cloakroom.ErrNotFound},
		{"missing", 200, mget(`"found":false`), cloakroom.ErrNotFound},
		{"a missing index", 200, mget(`"error":{"type":"index_not_found_exception","reason":"no such index [` + secret + `]"}`), cloakroom.ErrUnavailable},
		{"an alias of several", 200, mget(`"error":{"type":"illegal_argument_exception","reason":"` + secret + `"}`), cloakroom.ErrUnavailable},
		{"without a version", 200, mget(`"found":true,"_source":{"id":"` + value + `"}`), cloakroom.ErrUnavailable},
		{"without a source", 200, mget(`"found":true,"_seq_no":7,"_primary_term":3`), cloakroom.ErrUnavailable},
		{"unauthorized", 401, secret, cloakroom.ErrUnavailable},
		{"forbidden", 403, `{"error":"` + secret + `"}`, cloakroom.ErrUnavailable},
		{"too many", 429, secret, cloakroom.ErrUnavailable},
		{"broken", 500, secret, cloakroom.ErrUnavailable},
		{"a proxy's page", 502, "<html>" + secret, cloakroom.ErrUnavailable},
		{"a page that is well", 200, "<html>" + secret, cloakroom.ErrUnavailable},
		{"not an answer to it", 200, `{"docs":[]}`, cloakroom.ErrUnavailable},
		{"not there", 404, `{"error":"` + secret + `"}`, cloakroom.ErrUnavailable},
		{"too much", 200, strings.Repeat(" ", maxAnswer+1), cloakroom.ErrUnavailable},
		{"out of reach", 0, "", cloakroom.ErrUnavailable},
	} {
		var asked []string
		i := importerOf(t, c, func(path, body string) (int, string) {
			asked = append(asked, path+" "+body)
			return test.status, test.answer
		})
		f, err := i.Load(t.Context(), token)
		if test.want == nil {
			if err != nil || f.Version != "3.7" || string(f.Values["user"]) != `"ann"` || string(f.Values["n"]) != "9007199254740993" ||
				len(f.Values) != 2 || f.Remember || f.IdleTimeout != 0 {
				t.Errorf("%s: %+v, %v", test.what, f, err)
			}
			if len(asked) != 1 || asked[0] != `/_mget {"docs":[{"_id":"`+id+`","_index":"my_index"}]}` {
				t.Errorf("asked %q", asked)
			}
			continue
		}
		if f != nil || !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v; want %v", test.what, f, err, test.want)
			continue
		}
		kinds := 0
		for _, kind := range []error{cloakroom.ErrForged, cloakroom.ErrNotFound, cloakroom.ErrUnavailable} {
			if errors.Is(err, kind) {
				kinds++
			}
		}
		if kinds != 1 {
			t.Errorf("%s: %v is of %d kinds", test.what, err, kinds)
		}
		for _, hidden := range []string{secret, value, documented} {
			if strings.Contains(err.Error(), hidden) {
				t.Errorf("%s: the error shows a secret: %v", test.what, err)
			}
		}
	}

	c.Cookie.Expires = 14 * 24 * time.Hour
	i := importerOf(t, c, func(string, string) (int, string) { return 200, found(`{"id":"` + value + `"}`) })
	if f, err := i.Load(t.Context(), token); err != nil || !f.Remember || f.IdleTimeout != c.Cookie.Expires || len(f.Values) != 0 {
		t.Errorf("with session_expires: %+v, %v", f, err)
	}
	tries := 0
	i = importerOf(t, c, func(string, string) (int, string) {
		if tries++; tries == 1 {
			return 0, "" // a node that is down
		}
		return 200, found(`{"id":"` + value + `"}`)
	})
	if _, err := i.Load(t.Context(), token); err != nil {
		t.Errorf("the second node: %v", err)
	}
	if got := fmt.Sprintf("%v %+v %#v", token, token, token); strings.Contains(got, value[:10]) {
		t.Errorf("a token prints as %s", got)
	}
}

func TestRetire(t *testing.T) {
	const id = "t4hHBaIB85E4Kglfp2y8"
	token := cloakroom.ForeignToken{ID: id, Credential: "x"}
	for _, test := range []struct {
		what         string
		status, item int
		there        bool // after a conflict
		want         error
	}{
		{"deleted", 200, 200, false, nil},
		{"deleted before", 200, 404, false, nil},
		{"changed", 200, 409, true, cloakroom.ErrConflict},
		{"deleted by a first try of the engine", 200, 409, false, nil},
		{"forbidden inside", 200, 403, true, cloakroom.ErrUnavailable},
		{"full", 200, 429, true, cloakroom.ErrUnavailable},
		{"forbidden", 403, 0, true, cloakroom.ErrUnavailable},
		{"broken", 503, 0, true, cloakroom.ErrUnavailable},
		{"garbage", 200, -1, true, cloakroom.ErrUnavailable},
	} {
		i := importerOf(t, importConfig(t, documented, 10), func(path, body string) (int, string) {
			if path == "/_mget" {
				return 200, mget(fmt.Sprintf(`"found":%v,"_seq_no":9,"_primary_term":3,"_source":{}`, test.there))
			}
			if want := `{"delete":{"_id":"` + id + `","_index":"my_index","if_primary_term":3,"if_seq_no":7}}` + "\n"; path != "/_bulk" || body != want {
				t.Errorf("%s %q, want %q", path, body, want)
			}
			if test.item < 0 {
				return test.status, `{"items":[]}`
			}
			return test.status, fmt.Sprintf(`{"items":[{"delete":{"status":%d}}]}`, test.item)
		})
		if err := i.Retire(t.Context(), token, "3.7"); !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v, want %v", test.what, err, test.want)
		}
	}
	if err := importerOf(t, importConfig(t, documented, 10), nil).Retire(t.Context(), token, "x"); err == nil {
		t.Error("a version that is none was taken")
	}
}

// TestForget: the cookie that takes the old one away has its name, path and domain, and
// is one that browsers accept.
func TestForget(t *testing.T) {
	const gone = "; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0"
	for _, test := range []struct {
		cookie Cookie
		want   string
	}{
		{Cookie{Name: "dancer.session", HTTPOnly: true}, "dancer.session=; Path=/" + gone + "; HttpOnly"},
		{Cookie{Name: "sid", Domain: ".shop.example", Secure: true, SameSite: http.SameSiteStrictMode}, "sid=; Path=/; Domain=shop.example" + gone + "; Secure; SameSite=Strict"},
		{Cookie{Name: "sid", Secure: true, SameSite: http.SameSiteNoneMode}, "sid=; Path=/" + gone + "; Secure; SameSite=None"},
		{Cookie{Name: "sid", SameSite: http.SameSiteNoneMode}, "sid=; Path=/" + gone},
	} {
		h := http.Header{"Set-Cookie": {"a=b"}}
		(&Importer{cookie: test.cookie}).Forget(h)
		if got := h["Set-Cookie"]; len(got) != 2 || got[0] != "a=b" || got[1] != test.want {
			t.Errorf("%+v: %q, want %q", test.cookie, got, test.want)
		}
	}
}

// TestImporterName: sessions' ids are derived from it, so it is the same for ever.
func TestImporterName(t *testing.T) {
	c := importConfig(t, documented, 10)
	i := importerOf(t, c, nil)
	c.Index = "another"
	if got := i.Name(); got != "dancer my_index" {
		t.Errorf("the importer's name is %q, and has to stay %q", got, "dancer my_index")
	}
	if got := c.OldIndex(nil).Importer(); got != "dancer another" {
		t.Errorf("the index's importer is %q", got)
	}
}

func TestPrincipalIn(t *testing.T) {
	for raw, want := range map[string]string{
		`"ann"`: "ann", ` "ann" `: "ann", `"a\u00e9"`: "aé", `42`: "42", `"42"`: "42", `-1`: "-1", `"00"`: "00",
		``: "", `null`: "", `""`: "", `0`: "", `"0"`: "",
		`true`: "error", `["ann"]`: "error", `{"name":"ann"}`: "error",
	} {
		rec := &driver.Record{}
		if raw != "" {
			rec.Values = driver.ValueList{{Name: "user", JSON: json.RawMessage(raw)}}
		}
		got, err := PrincipalIn("user")(t.Context(), rec)
		if err != nil && strings.Contains(err.Error(), "ann") {
			t.Errorf("%s: the error shows the value: %v", raw, err)
		}
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: the principal is %q, want %q", raw, got, want)
		}
	}
}

func TestOldIndexState(t *testing.T) {
	for _, test := range []struct {
		what   string
		there  int
		behind string
		count  string
		want   string
	}{
		{"an index", 200, `{"my_index":{"settings":{}}}`, `{"count":3,"_shards":{"failed":0}}`, "{true [] 3} <nil>"},
		{"none", 404, `{"error":{}}`, ``, "{false [] 0} <nil>"},
		{"an alias", 200, `{"b":{"settings":{}},"a":{}}`, `{"count":3}`, "{true [a b] 3} <nil>"},
		{"a shard that is down", 200, `{"my_index":{}}`, `{"count":3,"_shards":{"failed":1}}`, "error"},
		{"a closed one", 200, `{"my_index":{}}`, `{"error":{}}`, "error"},
		{"forbidden", 403, `{}`, ``, "error"},
		{"garbage", 200, `<html>`, ``, "error"},
	} {
		var deleted []string
		x := importConfig(t, documented, 10).OldIndex(engine(func(path, _ string) (int, string) {
			switch path {
			case "/my_index":
				return test.there, test.behind
			case "/my_index/_count":
				return 200, test.count
			}
			deleted = append(deleted, path)
			return 200, `{"acknowledged":true}`
		}))
		s, err := x.State(t.Context())
		got := fmt.Sprint(s, " ", err)
		if err != nil {
			got = "error"
		}
		if got != test.want {
			t.Errorf("%s: %s (%v), want %s", test.what, got, err, test.want)
		}
		err = x.Delete(t.Context())
		if wanted := test.what == "an index"; wanted != (len(deleted) == 1) || (err == nil) != (wanted || test.what == "none") {
			t.Errorf("%s: Delete deleted %q: %v", test.what, deleted, err)
		}
	}
	for _, name := range []string{"", "*", "a,b", "_all"} {
		c := importConfig(t, documented, 10)
		c.Index = name
		if err := c.OldIndex(engine(func(path, _ string) (int, string) {
			t.Errorf("%q: asked %s", name, path)
			return 200, "{}"
		})).Delete(t.Context()); err == nil {
			t.Errorf("the index %q was deleted", name)
		}
	}
}

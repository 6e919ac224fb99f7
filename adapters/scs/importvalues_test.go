package scsstore_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/cloakroom-go/cloakroom"
	scsstore "github.com/cloakroom-go/cloakroom/adapters/scs"
)

// This file tests what becomes of values.

// profile is a type that JSON keeps whole.
type profile struct {
	Name  string
	Since time.Time
	Tags  []string          `json:"tags,omitempty"`
	Notes map[int]string    `json:"notes"`
	Next  *profile          `json:"next,omitempty"`
	Extra map[string]any    `json:"extra,omitempty"`
	Big   *big.Int          `json:"big"`
	Raw   json.RawMessage   `json:"raw,omitempty"`
	Empty map[string]string `json:"empty,omitempty"`
}

// account is a type of which JSON loses something.
type account struct {
	Name string
	Hash string `json:"-"`
}

// masked is a type that hides itself.
type masked string

func (masked) MarshalJSON() ([]byte, error) { return []byte(`"***"`), nil }

func init() {
	for _, v := range []any{profile{}, account{}, masked(""), &url.URL{}, []any{}, map[string]any{}, map[string]string{}, time.Time{}} {
		gob.Register(v)
	}
}

// load has an importer read a session with one value.
func load(t *testing.T, v any, o *scsstore.ImportOptions) (*cloakroom.ForeignSession, error) {
	t.Helper()
	store := newOldStore()
	data, err := scs.GobCodec{}.Encode(time.Now().Add(time.Hour), map[string]any{"key": v})
	if err != nil {
		t.Fatal(err)
	}
	token := strings.Repeat("A", 43)
	if err := store.Commit(token, data, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	return newImporter(t, newOld(store, nil), o).Load(t.Context(), cloakroom.ForeignToken{ID: "x", Credential: token})
}

func TestImportValues(t *testing.T) {
	moment := time.Date(2026, 11, 30, 12, 0, 0, 123456789, time.FixedZone("CET", 3600))
	whole := profile{
		Name: "Ann\u2028\ufffd", Since: moment, Tags: []string{}, Notes: map[int]string{1: "x"},
		Next:  &profile{Name: "Ben", Raw: json.RawMessage(`{ "a" : 1 }`)},
		Extra: map[string]any{"n": 1, "list": []any{"<b>", 1.5, moment}}, Big: big.NewInt(-1 << 62),
	}
	for _, c := range []struct {
		v    any
		want string // "": anything
	}{
		{"text", `"text"`},
		{true, `true`},
		{int64(math.MaxInt64), `9223372036854775807`},
		{uint64(math.MaxUint64), `18446744073709551615`},
		{0.1, `0.1`},
		{float32(0.1), `0.1`},
		{[]byte{0, 255}, `"AP8="`},
		{moment, `"2026-11-30T12:00:00.123456789+01:00"`},
		{[]string{"a"}, `["a"]`},
		{map[string]any{"n": 1}, `{"n":1}`},
		{json.RawMessage(`{ "a" : 1 }`), ""}, // as gob keeps it: a list of bytes
		{whole, ""},
	} {
		if _, raw := c.v.(json.RawMessage); raw {
			gob.Register(c.v)
		}
		f, err := load(t, c.v, nil)
		if err != nil {
			t.Errorf("%T: %v", c.v, err)
			continue
		}
		if got := string(f.Values["key"]); c.want != "" && got != c.want || !json.Valid(f.Values["key"]) {
			t.Errorf("%T: got %s, want %s", c.v, got, c.want)
		}
	}
}

func TestImportValuesThatJSONLoses(t *testing.T) {
	const secret = "a secret"
	for _, c := range []struct {
		name string
		v    any
	}{
		{"not a number", math.NaN()},
		{"a complex number", 1i},
		{"a year of five digits", time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC)},
		{"a text that isn't UTF-8", secret + "\xff"},
		{"one within an interface", map[string]any{"x": []any{secret + "\xff"}}},
		{"one as a name", map[string]string{secret + "\xff": "x"}},
		{"a field that is left out", account{"Ann", secret}},
		{"one within an interface", []any{account{"Ann", secret}}},
		{"a type that hides itself", masked(secret)},
		{"a type with fields of its own", &url.URL{Host: "shop.example", User: url.UserPassword("ann", secret)}},
	} {
		_, err := load(t, c.v, nil)
		switch {
		case err == nil || !strings.Contains(err.Error(), `"key"`) || !strings.Contains(err.Error(), "ImportOptions.Values"):
			t.Errorf("%s: the error doesn't say what to do: %v", c.name, err)
		case strings.Contains(err.Error(), secret), !errors.Is(err, cloakroom.ErrUnavailable):
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, v := range []any{account{"Ann", ""}, &url.URL{Host: "shop.example"}} {
		if _, err := load(t, v, nil); err != nil {
			t.Errorf("%T, which loses nothing now: %v", v, err)
		}
	}
}

// The application converts what JSON loses, and the visitor waits until it does.
func TestImportOptionsValues(t *testing.T) {
	old := newOld(newOldStore(), func(old *scs.SessionManager) { old.Cookie.Persist = false })
	v := newTraveller(t)
	v.signsInAtOld(old)
	v.atOld(old, func(ctx context.Context) {
		old.Put(ctx, "account", account{"Ann", "hash"})
		old.Put(ctx, "flash", "hello")
		old.RememberMe(ctx, true)
	})
	v.atNew(newNew(t, newImporter(t, old, nil), nil), http.StatusServiceUnavailable, put("milk"))
	fails := true
	o := &scsstore.ImportOptions{Values: func(values map[string]any) (map[string]any, error) {
		if fails {
			return nil, cloakroom.ErrNotFound // is no sign-out
		}
		if len(values) != 4 {
			t.Errorf("the function gets %d values", len(values))
		}
		a := values["account"].(account)
		values["account"] = map[string]string{"name": a.Name, "hash": a.Hash}
		values["raw"] = json.RawMessage(`[ 1 ]`)
		delete(values, "flash")
		return values, nil
	}}
	m := newNew(t, newImporter(t, old, o), nil)
	v.atNew(m, http.StatusServiceUnavailable, put("milk"))
	fails = false
	v.atNew(m, http.StatusOK, func(_ context.Context, s *cloakroom.Session) error {
		if got := cloakroom.NewKey[map[string]string]("account").Get(s); got["hash"] != "hash" {
			t.Errorf("the account is %v", got)
		}
		if got, _ := s.Raw("raw"); string(got) != `[1]` {
			t.Errorf("raw is %s", got)
		}
		if _, there := s.Raw("flash"); there || !s.Info().Persistent {
			t.Errorf("flash is there: %v; persistent: %v", there, s.Info().Persistent)
		}
		return nil
	})
	none := newImporter(t, old, &scsstore.ImportOptions{Values: func(map[string]any) (map[string]any, error) { return nil, nil }})
	w := newTraveller(t)
	w.signsInAtOld(old)
	w.wantAtNew(newNew(t, none, nil), "")
}

// A type that isn't registered is named.
func TestImportUnregisteredType(t *testing.T) {
	type basket struct{ N int }
	gob.RegisterName("shop.basketA", basket{})
	data, err := scs.GobCodec{}.Encode(time.Now().Add(time.Hour), map[string]any{"key": basket{1}})
	if err != nil {
		t.Fatal(err)
	}
	store, token := newOldStore(), strings.Repeat("A", 43)
	if err := store.Commit(token, bytes.ReplaceAll(data, []byte("shop.basketA"), []byte("shop.basketB")), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	_, err = newImporter(t, newOld(store, nil), nil).Load(t.Context(), cloakroom.ForeignToken{Credential: token})
	if err == nil || !strings.Contains(err.Error(), "shop.basketB") || !strings.Contains(err.Error(), "gob.Register") || !errors.Is(err, cloakroom.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

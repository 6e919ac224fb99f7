package cloakroom_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests that a value which can be set comes back as it was, and that
// any other is refused.

// sealedText encodes itself from memory that nobody else sees.
type sealedText struct{ text *string }

func (s sealedText) MarshalJSON() ([]byte, error) { return json.Marshal(*s.text) }

// hexText encodes itself from text that isn't UTF-8 into text that is.
type hexText string

func (h hexText) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%x", string(h)), nil }

// hexKey is the same in a struct.
type hexKey struct{ text string }

func (h hexKey) MarshalText() ([]byte, error) { return hexText(h.text).MarshalText() }

// rawText encodes itself as it is.
type rawText string

func (r rawText) MarshalText() ([]byte, error) { return []byte(r), nil }

// rawJSON passes its bytes on, without a look.
type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(`"` + r + `"`), nil }

type (
	label  string
	inside struct{ Text string }
	ring   struct {
		Text string
		next *ring
	}
	tagged struct {
		Skipped string `json:"-"`
		hidden  string
		Shown   string
		Raw     json.RawMessage
	}
)

func (r *ring) MarshalJSON() ([]byte, error) { return json.Marshal(r.next.Text) }

const latin1 = "M\xfcller"

func set[T any](t T) func(cloakroom.Values) {
	return func(v cloakroom.Values) { cloakroom.NewKey[T]("v").Set(v, t) }
}

// wantRefused checks that setting v is an error that names it and says why.
func wantRefused(t *testing.T, bad map[string]func(cloakroom.Values), why ...string) {
	for name, set := range bad {
		t.Run(name, func(t *testing.T) {
			eachValues(t, []string{"v=1"}, func(t *testing.T, d *desk, v cloakroom.Values, finish func() error, tok string) {
				set(v)
				if raw, _ := v.Raw("v"); string(raw) != "1" {
					t.Errorf("it reads as %.40s", raw)
				}
				err := finish()
				for _, part := range append(why, `"v"`) {
					if err == nil || !strings.Contains(err.Error(), part) {
						t.Errorf("saving: %v; want an error with %q", err, part)
					}
				}
				if err != nil && strings.Contains(err.Error(), "ller") {
					t.Errorf("the error tells the value: %v", err)
				}
				d.wantKept(tok, "v=1")
			})
		})
	}
}

func TestTextThatIsNotUTF8(t *testing.T) {
	text := latin1
	round := &ring{Text: latin1}
	round.next = round
	wantRefused(t, map[string]func(cloakroom.Values){
		"a string":               set(latin1),
		"a type of strings":      set(label(latin1)),
		"beside what is":         set(latin1 + "\ufffdü"),
		"half a surrogate":       set("\xed\xa0\x80 ller"),
		"an interface":           set[any](latin1),
		"a pointer":              set(&text),
		"a field":                set(struct{ A, B string }{"a", latin1}),
		"a field deep inside":    set(struct{ A []map[string]*inside }{[]map[string]*inside{{"a": {latin1}}}}),
		"an embedded field":      set(struct{ inside }{inside{latin1}}),
		"a list":                 set([]string{"a", latin1}),
		"an array":               set([2]label{"a", latin1}),
		"a map's key":            set(map[string]int{latin1: 1}),
		"a map's value":          set(map[string]any{"a": []any{latin1}}),
		"its own text":           set(rawText(latin1)),
		"its own text as a key":  set(map[rawText]int{latin1: 1}),
		"a text's own, as a key": set(map[hexText]int{latin1: 1}),
		"its own JSON":           set(rawJSON(latin1)),
		"JSON made inside":       set(sealedText{&text}),
		"JSON of a ring":         set(round),
		"raw JSON":               set(json.RawMessage(`"` + latin1 + `"`)),
		"an update's result":     func(v cloakroom.Values) { cloakroom.NewKey[any]("v").Update(v, func(any) any { return latin1 }) },
		"SetRaw":                 func(v cloakroom.Values) { v.SetRaw("v", json.RawMessage(`"`+latin1+`"`)) },
	}, "UTF-8")

	for name, good := range map[string]struct {
		set  func(cloakroom.Values)
		want string
	}{
		"the sign of replacement":   {set("\ufffd"), "\"\ufffd\""},
		"its spelling":              {set(`\ufffd`), `"\\ufffd"`},
		"two of these":              {set(`\\ufffd`), `"\\\\ufffd"`},
		"raw JSON that has it":      {set(json.RawMessage(`"\ufffd"`)), `"\ufffd"`},
		"raw JSON that has it, raw": {func(v cloakroom.Values) { v.SetRaw("v", json.RawMessage(`"\ufffd"`)) }, `"\ufffd"`},
		"beside what is left out": {set(tagged{Skipped: latin1, hidden: latin1, Shown: "ü", Raw: json.RawMessage(`"\ufffd"`)}),
			`{"Shown":"ü","Raw":"\ufffd"}`},
		"bytes":              {set([]byte(latin1)), `"TfxsbGVy"`},
		"text of its own":    {set(hexText(latin1)), `"4dfc6c6c6572"`},
		"a key of its own":   {set(map[hexKey]string{{latin1}: "\ufffd"}), "{\"4dfc6c6c6572\":\"\ufffd\"}"},
		"nothing":            {set([]*inside{nil}), `[null]`},
		"nothing that could": {set([]any{nil, (*ring)(nil), json.RawMessage(`"\ufffd"`), error(nil)}), `[null,null,"\ufffd",null]`},
	} {
		t.Run(name, func(t *testing.T) {
			eachValues(t, nil, func(t *testing.T, d *desk, v cloakroom.Values, finish func() error, tok string) {
				good.set(v)
				if err := finish(); err != nil {
					t.Fatal(err)
				}
				d.wantKept(tok, "v="+good.want)
			})
		})
	}
}

func nested(levels int) json.RawMessage {
	return json.RawMessage(strings.Repeat("[", levels) + strings.Repeat("]", levels))
}

// lists makes the same in Go.
func lists(levels int) any {
	v := []any{}
	for range levels - 1 {
		v = []any{v}
	}
	return v
}

func TestNestedTooDeep(t *testing.T) {
	const most = driver.MaxDepth
	for _, levels := range []int{most + 1, 9_999, 10_000, 10_001, 100_000} {
		t.Run(fmt.Sprint(levels), func(t *testing.T) {
			bad := map[string]func(cloakroom.Values){
				"Key": set(lists(levels)),
				"Update": func(v cloakroom.Values) {
					cloakroom.NewKey[any]("v").Update(v, func(any) any { return lists(levels) })
				},
				"SetRaw": func(v cloakroom.Values) { v.SetRaw("v", nested(levels)) },
			}
			if levels <= 10_000 { // else encoding/json takes it for no JSON
				bad["raw JSON"] = set(nested(levels))
			}
			wantRefused(t, bad, fmt.Sprintf("%d levels", levels), fmt.Sprintf("at most %d", most))
		})
	}
	for name, good := range map[string]func(cloakroom.Values){
		"Key": set(lists(most)), "SetRaw": func(v cloakroom.Values) { v.SetRaw("v", nested(most)) }, "raw JSON": set(nested(most)),
	} {
		t.Run("as deep as may be, "+name, func(t *testing.T) {
			eachValues(t, nil, func(t *testing.T, d *desk, v cloakroom.Values, finish func() error, tok string) {
				good(v)
				if err := finish(); err != nil {
					t.Fatal(err)
				}
				d.wantKept(tok, "v="+string(nested(most)))
				if _, ok, err := cloakroom.NewKey[any]("v").Lookup(d.open(tok)); !ok || err != nil {
					t.Errorf("it reads as %v, %v", ok, err)
				}
			})
		})
	}
	t.Run("Admin", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		err := r.m.Admin().Update(t.Context(), s.ID(), func(tx *cloakroom.Tx) error {
			visits.Set(tx, 2)
			tx.SetRaw("v", nested(most+1))
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), `"v"`) || errors.Is(err, cloakroom.ErrUnavailable) {
			t.Errorf("Update: %v", err)
		}
		r.wantVisits(s.ID(), 1)
	})
}

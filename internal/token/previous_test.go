package token_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/token"
)

// plainReplaced makes an entry of a replaced secret by the description.
func plainReplaced(ringSecret []byte, c token.Claims, secret [16]byte, at, ends int64, over bool) []byte {
	number := func(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
	mac := sum(sub(ringSecret, "cloakroom verifier key v1", 32),
		[]byte("cloakroom previous v1"), prefixed(c.App), c.ID[:], prefixed(c.Principal),
		number(c.Created), number(c.Authenticated), number(c.Deadline), number(at), secret[:])
	state := byte(0)
	if over {
		digest := sha256.Sum256(append([]byte("cloakroom ended v1"), mac...))
		state, mac = 1, digest[:]
	}
	return slices.Concat(number(at), number(ends), []byte{state}, plainHint(ringSecret), mac)
}

// TestPreviousGolden guards the exact bytes of entries of replaced secrets.
func TestPreviousGolden(t *testing.T) {
	var b bytes.Buffer
	for _, s := range samples() {
		r := mustRing(t, s.ring...)
		opens := r.Replace(s.claims, s.secret, 1_700_000_000_003, 1_700_003_600_003)
		over := opens
		over.End()
		v1, _ := token.ParsePrevious(r.Verifier(s.claims, s.secret), 1_700_000_030_000)
		v1Over := v1[0]
		v1Over.End()
		fmt.Fprintf(&b, "%s\nopens         %x\nended         %x\nof version 1  %x\nended         %x\n\n", s.name,
			token.AppendPrevious(nil, []token.Replaced{opens}), token.AppendPrevious(nil, []token.Replaced{over}),
			token.AppendPrevious(nil, v1), token.AppendPrevious(nil, []token.Replaced{v1Over}))
	}
	token.Golden(t, "previous.golden", b.Bytes())
}

// TestPreviousByHand compares entries with those that are computed from the description
// of their bytes, for each key of the ring.
func TestPreviousByHand(t *testing.T) {
	const at, ends = 1_700_000_000_003, 1_700_003_600_003
	for _, s := range samples() {
		r := mustRing(t, s.ring...)
		e := r.Replace(s.claims, s.secret, at, ends)
		for _, over := range []bool{false, true} {
			if over {
				e.End()
				e.End() // a second End changes nothing
			}
			want := append([]byte{2}, plainReplaced(s.ring[0], s.claims, s.secret, at, ends, over)...)
			if got := token.AppendPrevious(nil, []token.Replaced{e}); !bytes.Equal(got, want) {
				t.Errorf("%s:\n%x, by hand\n%x", s.name, got, want)
			}
			for i, secret := range s.ring {
				list, newer := token.ParsePrevious(append([]byte{2}, plainReplaced(secret, s.claims, s.secret, at, ends, over)...), math.MaxInt64)
				if len(list) != 1 || newer || list[0].At != at || list[0].Ends != ends || list[0].Ended() != over || list[0].V1() {
					t.Fatalf("%s: read %+v, newer %v", s.name, list, newer)
				}
				if !r.IsReplaced(&list[0], s.claims, s.secret) {
					t.Errorf("%s: the entry by hand of secret %d isn't known", s.name, i)
				}
			}
		}
	}
}

// TestPreviousCovers: a replaced secret's proof can't be put in the place of a verifier,
// nor a verifier in its place. It can't be moved, made younger, or made to open again.
func TestPreviousCovers(t *testing.T) {
	s := samples()[1]
	r := mustRing(t, s.ring...)
	const at, ends = 1_700_000_000_003, 1_700_003_600_003
	parse := func(b []byte) *token.Replaced {
		list, newer := token.ParsePrevious(append([]byte{2}, b...), math.MaxInt64)
		if len(list) != 1 || newer {
			t.Fatalf("%x: %v, newer %v", b, list, newer)
		}
		return &list[0]
	}
	good := plainReplaced(s.ring[0], s.claims, s.secret, at, ends, false)
	if !r.IsReplaced(parse(good), s.claims, s.secret) {
		t.Fatal("the entry itself isn't known")
	}
	if ok, _ := r.Check(good[17:], s.claims, s.secret); ok {
		t.Error("it opens in the place of the verifier")
	}
	swapped := slices.Concat(good[:17], r.Verifier(s.claims, s.secret))
	if r.IsReplaced(parse(swapped), s.claims, s.secret) {
		t.Error("a verifier opens in its place")
	}
	for i := range good {
		forged := slices.Clone(good)
		forged[i] ^= 1
		wantOpen := i >= 8 && i < 16 // the end isn't covered
		if e := parse(forged); r.IsReplaced(e, s.claims, s.secret) != wantOpen {
			t.Errorf("byte %d changed: known %v", i, !wantOpen)
		}
	}
	over := plainReplaced(s.ring[0], s.claims, s.secret, at, ends, true)
	over[16] = 0
	if r.IsReplaced(parse(over), s.claims, s.secret) {
		t.Error("one that had ended opens again")
	}
	for what, change := range map[string]func(c *token.Claims){
		"app":           func(c *token.Claims) { c.App = "other" },
		"id":            func(c *token.Claims) { c.ID[3]++ },
		"principal":     func(c *token.Claims) { c.Principal = "eve" },
		"created":       func(c *token.Claims) { c.Created++ },
		"authenticated": func(c *token.Claims) { c.Authenticated++ },
		"deadline":      func(c *token.Claims) { c.Deadline++ },
	} {
		c := s.claims
		change(&c)
		if r.IsReplaced(parse(good), c, s.secret) {
			t.Errorf("it opens with another %s", what)
		}
	}
	other := s.secret
	other[0]++
	if r.IsReplaced(parse(good), s.claims, other) {
		t.Error("it opens by another secret")
	}
	if mustRing(t, fuzzNew).IsReplaced(parse(good), s.claims, s.secret) {
		t.Error("it opens by another ring")
	}
}

// TestPreviousRead: entries are read as they were written, with ends that the record
// bounds. A form that no version writes gives none, and a later version's is recognized
// as such.
func TestPreviousRead(t *testing.T) {
	s := samples()[0]
	r := mustRing(t, s.ring...)
	var list []token.Replaced
	for n := range int64(token.MaxReplaced + 2) {
		list = append(list, r.Replace(s.claims, s.secret, 1000-n, 2000-n))
	}
	full := token.AppendPrevious(nil, list)
	got, newer := token.ParsePrevious(full, 1995)
	if newer || len(got) != token.MaxReplaced || len(full) != 401 {
		t.Fatalf("of %d entries %d are read from %d bytes, newer %v", len(list), len(got), len(full), newer)
	}
	for i, e := range got {
		if e.At != 1000-int64(i) || e.Ends != min(1995, 2000-int64(i)) {
			t.Errorf("entry %d: %+v", i, e)
		}
	}
	old, newer := token.ParsePrevious(r.Verifier(s.claims, s.secret), 77)
	if newer || len(old) != 1 || !old[0].V1() || old[0].Ended() || old[0].Ends != 77 || !r.IsReplaced(&old[0], s.claims, s.secret) {
		t.Errorf("that of version 1: %+v, newer %v", old, newer)
	}
	kept, _ := token.ParsePrevious(token.AppendPrevious(nil, old), 78)
	if len(kept) != 1 || kept[0] != old[0] {
		t.Errorf("that of version 1, kept: %+v", kept)
	}
	for _, c := range []struct {
		name  string
		b     []byte
		newer bool
	}{
		{"nothing", nil, false},
		{"the number alone", []byte{2}, false},
		{"cut", full[:400], false},
		{"more", append(slices.Clone(full), 0), false},
		{"nine", append(slices.Clone(full), full[1:51]...), false},
		{"an unknown state", append(append(slices.Clone(full[:17]), 4), full[18:51]...), false},
		{"what no version writes", append([]byte{1}, full[1:51]...), false},
		{"version 3", append([]byte{3}, full[1:51]...), true},
		{"version 255", append([]byte{255}, full[1:34]...), true},
		{"a cut version 3", append([]byte{3}, full[1:33]...)[:32], false},
	} {
		if got, newer := token.ParsePrevious(c.b, math.MaxInt64); got != nil || newer != c.newer {
			t.Errorf("%s: read %+v, newer %v", c.name, got, newer)
		}
	}
	for first := range 256 { // an entry of version 1 may begin with any number
		b := append([]byte{byte(first)}, full[1:33]...)
		if got, newer := token.ParsePrevious(b, 1); len(got) != 1 || newer {
			t.Errorf("33 bytes that begin with %d: %v, newer %v", first, got, newer)
		}
	}
}

// FuzzPrevious takes any bytes for entries of replaced secrets.
func FuzzPrevious(f *testing.F) {
	r := mustRing(f, fuzzNew, fuzzOld)
	s := samples()[1]
	list := []token.Replaced{r.Replace(s.claims, s.secret, 5, 9), mustRing(f, fuzzOld).Replace(s.claims, s.secret, 4, 8)}
	list[1].End()
	f.Add(token.AppendPrevious(nil, list))
	f.Add(r.Verifier(s.claims, s.secret))
	f.Add([]byte{2})
	f.Add(append([]byte{3}, make([]byte, 50)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, newer := token.ParsePrevious(b, math.MaxInt64)
		if newer && (list != nil || len(b) <= 33 || b[0] <= 2) || len(list) > token.MaxReplaced {
			t.Fatalf("read %v, newer %v", list, newer)
		}
		if len(list) > 0 && len(b) != 33 {
			if again := token.AppendPrevious(nil, list); !bytes.Equal(again, b) {
				t.Errorf("%x is read, but written %x", b, again)
			}
		}
		for i := range list {
			e := &list[i]
			known := false
			for _, key := range [][]byte{fuzzNew, fuzzOld} {
				want := plainReplaced(key, s.claims, s.secret, e.At, e.Ends, e.Ended())
				if e.V1() && !e.Ended() {
					want = slices.Concat(want[:16], []byte{2}, plainVerifier(key, s.claims, s.secret))
				} else if e.V1() {
					digest := sha256.Sum256(append([]byte("cloakroom ended v1"), plainVerifier(key, s.claims, s.secret)[1:]...))
					want = slices.Concat(want[:16], []byte{3}, plainHint(key), digest[:])
				}
				known = known || bytes.Equal(token.AppendPrevious(nil, list[i:i+1])[1:], want)
			}
			if r.IsReplaced(e, s.claims, s.secret) != known {
				t.Errorf("entry %d of %x: known %v, by hand %v", i, b, !known, known)
			}
		}
	})
}

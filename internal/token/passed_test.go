package token_test

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"unsafe"
	"weak"

	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is the tests of remembered checks: a ring that remembers many of them says
// what a new one says.

// proof is the arguments of a check.
type proof struct {
	verifier []byte
	claims   token.Claims
	secret   [16]byte
}

// near returns the proof with one thing about it changed, or none.
func (p proof) near(random *rand.Rand) proof {
	p.verifier = bytes.Clone(p.verifier)
	switch random.IntN(14) {
	case 0:
		p.verifier[random.IntN(len(p.verifier))] ^= 1 << random.IntN(8)
	case 1:
		p.verifier = p.verifier[:random.IntN(len(p.verifier))]
	case 2:
		p.verifier = append(p.verifier, 0)
	case 3:
		p.secret[random.IntN(16)] ^= 1 << random.IntN(8)
	case 4:
		p.claims.App += "x"
	case 5:
		p.claims.Principal += "x"
	case 6:
		p.claims.ID[random.IntN(14)] ^= 1 << random.IntN(8) // and keeps its slot
	case 7:
		p.claims.ID[15] ^= 1
	case 8:
		p.claims.Created++
	case 9:
		p.claims.Authenticated++
	case 10:
		p.claims.Deadline++
	case 11:
		p.claims.OwnIdle = !p.claims.OwnIdle
	case 12:
		p.claims.Idle++
		p.claims.Generation[random.IntN(8)]++
	}
	return p
}

// TestRememberedChecks compares a ring that has checked much with new ones, which
// remember nothing. Every slot is shared by two sessions.
func TestRememberedChecks(t *testing.T) {
	random := rand.New(rand.NewPCG(23, 1))
	secrets := [][]byte{bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)}
	seasoned, later := mustRing(t, secrets...), mustRing(t, secrets[1])
	var proofs []proof
	for n := range 200 {
		c := token.Claims{App: "shop", Principal: "ann", Created: 1, Authenticated: 2, Deadline: 3, OwnIdle: n%3 == 0}
		c.ID[0] = byte(n)
		c.ID[15] = byte(n / 2)
		p := proof{claims: c}
		p.secret[0] = byte(n)
		by := seasoned
		if n%5 == 0 {
			by = later
		}
		p.verifier = by.Verifier(c, p.secret)
		proofs = append(proofs, p)
	}
	passed := 0
	for range 20_000 {
		p := proofs[random.IntN(len(proofs))].near(random)
		ok, old := seasoned.Check(p.verifier, p.claims, p.secret)
		fresh := mustRing(t, secrets...)
		if wantOK, wantOld := fresh.Check(p.verifier, p.claims, p.secret); ok != wantOK || old != wantOld {
			t.Fatalf("a ring that remembers says %v, %v of %+v; a new one %v, %v", ok, old, p, wantOK, wantOld)
		}
		if ok {
			passed++
		}
	}
	if passed < 1000 || passed > 19_000 {
		t.Errorf("%d of 20000 checks passed: so few, or so many, show little", passed)
	}
}

// TestRememberedForARing: a ring without the key that made a verifier refuses it, whatever
// other rings remember.
func TestRememberedForARing(t *testing.T) {
	one, two := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	before, after := mustRing(t, one, two), mustRing(t, two)
	c, secret := token.Claims{App: "shop"}, [16]byte{9}
	v := before.Verifier(c, secret)
	for range 2 {
		if ok, _ := before.Check(v, c, secret); !ok {
			t.Fatal("a ring refuses what it made")
		}
		if ok, _ := after.Check(v, c, secret); ok {
			t.Fatal("a key that is gone still opens")
		}
	}
}

// TestRememberedCheckHoldsNoMore: a store's texts may be parts of a larger one, such as a
// principal beside the name of the visitor's browser. A check outlives the record.
func TestRememberedCheckHoldsNoMore(t *testing.T) {
	r := mustRing(t, bytes.Repeat([]byte{1}, 32))
	all := new([1 << 16]byte)
	copy(all[:], "shopann")
	texts := unsafe.String(&all[0], len(all))
	c, secret := token.Claims{App: texts[:4], Principal: texts[4:7]}, [16]byte{9}
	v := r.Verifier(c, secret)
	if ok, _ := r.Check(v, c, secret); !ok {
		t.Fatal("a ring refuses what it made")
	}
	held := weak.Make(all)
	runtime.GC()
	if held.Value() != nil {
		t.Error("a remembered check holds on to the texts that its principal is a part of")
	}
	if ok, _ := r.Check(v, token.Claims{App: "shop", Principal: "ann"}, secret); !ok {
		t.Error("and it isn't as it was")
	}
}

// TestRememberedCheckAllocatesNothing bounds what a visitor's next request costs.
func TestRememberedCheckAllocatesNothing(t *testing.T) {
	r := mustRing(t, bytes.Repeat([]byte{1}, 32))
	c, secret := token.Claims{App: "shop", Principal: "ann"}, [16]byte{9}
	v := r.Verifier(c, secret)
	r.Check(v, c, secret)
	if n := testing.AllocsPerRun(100, func() { r.Check(v, c, secret) }); n != 0 {
		t.Errorf("a remembered check makes %v allocations", n)
	}
}

// TestRememberedChecksTogether checks from several goroutines; the race detector looks on.
func TestRememberedChecksTogether(t *testing.T) {
	r := mustRing(t, bytes.Repeat([]byte{1}, 32))
	var all sync.WaitGroup
	for n := range byte(8) {
		all.Go(func() {
			c, secret := token.Claims{App: "shop", Deadline: int64(n)}, [16]byte{n}
			v := r.Verifier(c, secret)
			for range 200 { // all in one slot
				if ok, _ := r.Check(v, c, secret); !ok {
					t.Error("a ring refuses what it made")
				}
				if ok, _ := r.Check(v, c, [16]byte{n + 1}); ok {
					t.Error("another's secret opens")
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkRememberedCheck measures a check that is remembered, beside one that isn't, since
// another session took its slot.
func BenchmarkRememberedCheck(b *testing.B) {
	r := mustRing(b, bytes.Repeat([]byte{1}, 32))
	secret := [16]byte{9}
	one := token.Claims{App: "shop", Principal: "ann", Deadline: 1}
	two := token.Claims{App: "shop", Principal: "bob", Deadline: 2}
	v, w := r.Verifier(one, secret), r.Verifier(two, secret)
	b.Run("remembered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Check(v, one, secret)
		}
	})
	b.Run("not", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if n%2 == 0 {
				r.Check(v, one, secret)
			} else {
				r.Check(w, two, secret)
			}
		}
	})
}

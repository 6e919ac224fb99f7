package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"sync/atomic"
)

// This file is checks that have passed, which are remembered: a visitor's next request
// checks the same secret against the same record, and a MAC is the dearest part of a
// request whose record is at hand.
//
// What is remembered is that Check said yes to exactly these arguments, all of which are
// compared. So it is no more than Check itself would say again: a record that was edited,
// renewed or signed in to has other arguments, and a session that has ended has no record.
// It belongs to one Ring, and goes with it when keys are replaced.

// slots is the number of checks that a ring remembers at most. A session has one slot, and
// keeps it until another's id leads there, whatever becomes of the session. All of them take
// 3 MB. Each also holds on to its principal's text, and to the whole of which that is a part,
// such as a record's texts that share memory. Where far more sessions than that are in use,
// most checks are new, and allocate what they keep.
const slots = 1 << 14

// passed are the remembered checks of a ring. The zero one is empty. It is safe for
// concurrent use.
type passed struct {
	slots [slots]atomic.Pointer[check]
}

// check is the arguments of a check that passed, and its result.
type check struct {
	claims   Claims
	verifier [2 + sha256.Size]byte // of len bytes
	len      int
	secret   [16]byte
	old      bool
}

// slot returns the place for a session's check. The last bytes of an id are random.
func (p *passed) slot(id [16]byte) *atomic.Pointer[check] {
	return &p.slots[(int(id[14])<<8|int(id[15]))%slots]
}

// recall reports whether a check of these arguments has passed, and if so, whether a later
// key of the ring had made the verifier.
func (p *passed) recall(verifier []byte, c *Claims, secret [16]byte) (ok, old bool) {
	k := p.slot(c.ID).Load()
	if k == nil || string(k.verifier[:k.len]) != string(verifier) || k.claims != *c ||
		subtle.ConstantTimeCompare(k.secret[:], secret[:]) != 1 {
		return false, false
	}
	return true, k.old
}

// keep remembers a check that has passed.
func (p *passed) keep(verifier []byte, c *Claims, secret [16]byte, old bool) {
	k := &check{claims: *c, len: len(verifier), secret: secret, old: old}
	copy(k.verifier[:], verifier)
	p.slot(c.ID).Store(k)
}

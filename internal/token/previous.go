package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
)

// This file is the entries that a record keeps of replaced secrets.

const (
	// MaxReplaced bounds the replaced secrets that a record keeps.
	MaxReplaced = 8

	previousVersion = 2
	replacedSize    = 8 + 8 + 1 + verifierSize
)

// The bits of a replaced secret's state.
const (
	stateEnded = 1 << iota // it opens nothing; its proof is the digest of the earlier one
	stateV1                // its proof is a verifier of version 1
	statesEnd
)

// Replaced is a record's entry of a secret that a renewal replaced. Times are Unix
// milliseconds.
type Replaced struct {
	At   int64 // the time of the renewal; the proof covers it, unless V1
	Ends int64 // from then on it means nothing; not covered

	state byte
	hint  byte
	sum   [sha256.Size]byte
}

// Replace returns the entry of a secret that is replaced at a time. The ring's first key
// makes it.
func (r *Ring) Replace(c Claims, secret [16]byte, at, ends int64) Replaced {
	k := &r.keys[0]
	return Replaced{At: at, Ends: ends, hint: k.hint, sum: k.proveReplaced(c, secret, at)}
}

// IsReplaced reports whether a key of the ring made e from these claims and this secret,
// at e.At. It also does if e has ended.
func (r *Ring) IsReplaced(e *Replaced, c Claims, secret [16]byte) bool {
	for i := range r.keys {
		k := &r.keys[i]
		if k.hint != e.hint {
			continue
		}
		sum := k.proveReplaced(c, secret, e.At)
		if e.V1() {
			sum = k.prove(&c, secret)
		}
		if e.Ended() {
			sum = ended(sum)
		}
		if subtle.ConstantTimeCompare(sum[:], e.sum[:]) == 1 {
			return true
		}
	}
	return false
}

// V1 reports whether an older version of this module replaced the secret. Then At is
// unknown, since no proof covers it.
func (e *Replaced) V1() bool { return e.state&stateV1 != 0 }

// Ended reports whether the secret opens nothing, and is kept only so that requests with
// it are recognized.
func (e *Replaced) Ended() bool { return e.state&stateEnded != 0 }

// End ends the secret for good. It does nothing if the secret has ended.
func (e *Replaced) End() {
	if !e.Ended() {
		e.state |= stateEnded
		e.sum = ended(e.sum)
	}
}

// AppendPrevious appends entries of replaced secrets, newest first, in a record's form.
// It drops those beyond MaxReplaced, which are the oldest.
func AppendPrevious(b []byte, list []Replaced) []byte {
	b = append(b, previousVersion)
	for _, e := range list[:min(len(list), MaxReplaced)] {
		b = binary.BigEndian.AppendUint64(b, uint64(e.At))
		b = binary.BigEndian.AppendUint64(b, uint64(e.Ends))
		b = append(append(b, e.state, e.hint), e.sum[:]...)
	}
	return b
}

// ParsePrevious reads a record's entries of replaced secrets. It returns none if they
// are not in AppendPrevious's form. No entry ends later than ends, which the record
// gives for all of them. newer tells that a later version wrote them, so that they can't
// be judged.
func ParsePrevious(b []byte, ends int64) (list []Replaced, newer bool) {
	n := len(b) / replacedSize
	switch {
	case len(b) == verifierSize: // version 1, which kept the last one only
		return []Replaced{{Ends: ends, state: stateV1, hint: b[0], sum: [sha256.Size]byte(b[1:])}}, false
	case len(b) > verifierSize && b[0] > previousVersion:
		return nil, true
	case n < 1 || n > MaxReplaced || len(b) != 1+n*replacedSize || b[0] != previousVersion:
		return nil, false
	}
	list = make([]Replaced, n)
	for i := range list {
		e, b := &list[i], b[1+i*replacedSize:]
		e.At, e.Ends = int64(binary.BigEndian.Uint64(b)), min(ends, int64(binary.BigEndian.Uint64(b[8:])))
		e.state, e.hint, e.sum = b[16], b[17], [sha256.Size]byte(b[18:])
		if e.state >= statesEnd {
			return nil, false
		}
	}
	return list, false
}

func (k *key) proveReplaced(c Claims, secret [16]byte, at int64) [sha256.Size]byte {
	m := k.proof.mac()
	b := append(m.text, "cloakroom previous v1"...)
	b = appendClaims(b, &c)
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	m.text = append(b, secret[:]...)
	return k.proof.sum(m)
}

// ended returns the proof of a secret that ends, given its proof before.
func ended(sum [sha256.Size]byte) [sha256.Size]byte {
	return sha256.Sum256(append([]byte("cloakroom ended v1"), sum[:]...))
}

package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
)

// This file is what a record keeps of secrets that renewals replaced.

const (
	// MaxReplaced is how many replaced secrets a record keeps at most.
	MaxReplaced = 8

	previousVersion = 2
	replacedSize    = 8 + 8 + 1 + verifierSize
)

// The state of a replaced secret is a set of these.
const (
	stateEnded = 1 << iota // it opens nothing; its proof is the digest of what it was
	stateV1                // its proof is a verifier of version 1
	statesEnd
)

// Replaced is what a record keeps of a secret that a renewal replaced. Times are Unix
// milliseconds.
type Replaced struct {
	At   int64 // when it was replaced; its proof covers that, but not if V1
	Ends int64 // from when on it means nothing; not covered

	state byte
	hint  byte
	sum   [sha256.Size]byte
}

// Replace returns what is to be kept of a secret that is replaced at a time. It is
// made by the ring's first key.
func (r *Ring) Replace(c Claims, secret [16]byte, at, ends int64) Replaced {
	k := &r.keys[0]
	return Replaced{At: at, Ends: ends, hint: k.hint, sum: k.proveReplaced(c, secret, at)}
}

// IsReplaced reports whether e was made of these claims and this secret by a key of
// the ring, at the time that e says. It is true of an ended one as well.
func (r *Ring) IsReplaced(e *Replaced, c Claims, secret [16]byte) bool {
	for i := range r.keys {
		k := &r.keys[i]
		if k.hint != e.hint {
			continue
		}
		sum := k.proveReplaced(c, secret, e.At)
		if e.V1() {
			sum = k.prove(c, secret)
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

// V1 reports whether an older version replaced the secret. When it did isn't known:
// At is not covered.
func (e *Replaced) V1() bool { return e.state&stateV1 != 0 }

// Ended reports whether the secret opens nothing, and is kept only for its requests to
// be known.
func (e *Replaced) Ended() bool { return e.state&stateEnded != 0 }

// End ends it, unless it has ended. There is no way back.
func (e *Replaced) End() {
	if !e.Ended() {
		e.state |= stateEnded
		e.sum = ended(e.sum)
	}
}

// AppendPrevious appends what a record keeps of replaced secrets, newest first. Those
// beyond MaxReplaced, which are the oldest, are dropped.
func AppendPrevious(b []byte, list []Replaced) []byte {
	b = append(b, previousVersion)
	for _, e := range list[:min(len(list), MaxReplaced)] {
		b = binary.BigEndian.AppendUint64(b, uint64(e.At))
		b = binary.BigEndian.AppendUint64(b, uint64(e.Ends))
		b = append(append(b, e.state, e.hint), e.sum[:]...)
	}
	return b
}

// ParsePrevious returns the replaced secrets that a record keeps, none if they are not
// as AppendPrevious writes them. ends is when the record says that all of them have
// ended: none ends later. newer reports that a later version wrote them, so that they
// can't be judged.
func ParsePrevious(b []byte, ends int64) (list []Replaced, newer bool) {
	n := len(b) / replacedSize
	switch {
	case len(b) == verifierSize: // of version 1, which kept the last one only
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
	b = appendClaims(b, c)
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	m.text = append(b, secret[:]...)
	return k.proof.sum(m)
}

// ended returns the proof of an ended secret from what it was.
func ended(sum [sha256.Size]byte) [sha256.Size]byte {
	return sha256.Sum256(append([]byte("cloakroom ended v1"), sum[:]...))
}

package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// This file is keys of HMAC-SHA-256, and computations with them.

// subKey is a key of HMAC-SHA-256. To begin a MAC costs two blocks of SHA-256 and half a
// dozen allocations, more than to read all the bytes that are covered here. So it keeps
// used computations, begun anew.
type subKey struct {
	bytes []byte
	macs  sync.Pool // of *mac
}

// mac is one computation.
type mac struct {
	hash hash.Hash
	text []byte // the bytes to cover; empty at first
	out  [sha256.Size]byte
}

func newSubKey(bytes []byte) *subKey { return &subKey{bytes: bytes} }

// mac begins a computation, which sum ends.
func (k *subKey) mac() *mac {
	if m, ok := k.macs.Get().(*mac); ok {
		return m
	}
	return &mac{hash: hmac.New(sha256.New, k.bytes), text: make([]byte, 0, 128)}
}

// sum returns the MAC of m.text, and takes m back.
func (k *subKey) sum(m *mac) [sha256.Size]byte {
	m.hash.Write(m.text)
	m.hash.Sum(m.out[:0])
	out := m.out
	m.hash.Reset()
	m.text = m.text[:0]
	k.macs.Put(m)
	return out
}

package driver

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// This file is WriteID, the name of one write.

// MaxWriteIDs bounds the write ids that a record keeps. A write whose answer was lost
// can be told from one that never happened while at most MaxWriteIDs writes, itself
// included, follow the state that it was based on.
const MaxWriteIDs = 8

// WriteID is the random nonce of one write. A writer that doesn't know its write's
// outcome looks for its write id in the record. Stores keep write ids in their order,
// and make none except for ExpiredGrave. The zero WriteID is one like any other.
type WriteID [8]byte

// NewWriteID returns a new write id, from crypto/rand.
func NewWriteID() WriteID {
	var w WriteID
	_, _ = rand.Read(w[:]) // never fails (crypto/rand)
	return w
}

// PushWriteID returns a new slice with w in front of list, cut to MaxWriteIDs.
func PushWriteID(list []WriteID, w WriteID) []WriteID {
	out := make([]WriteID, 1, min(len(list)+1, MaxWriteIDs))
	out[0] = w
	return append(out, list[:min(len(list), MaxWriteIDs-1)]...)
}

// String returns the write id as text: base64url without padding, 11 characters.
func (w WriteID) String() string { return base64.RawURLEncoding.EncodeToString(w[:]) }

// MarshalText returns the text that String returns.
func (w WriteID) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, w[:]), nil
}

// UnmarshalText is the inverse of MarshalText.
func (w *WriteID) UnmarshalText(text []byte) error {
	var parsed WriteID
	if len(text) != base64.RawURLEncoding.EncodedLen(len(w)) {
		return fmt.Errorf("write id of %d characters: a write id has 11", len(text))
	}
	if n, err := textEncoding.Decode(parsed[:], text); err != nil || n != len(parsed) {
		return fmt.Errorf("write id %q is not base64url without padding", text)
	}
	*w = parsed
	return nil
}

// textEncoding is the encoding of ids and write ids. Strict copies the encoding, so it
// is called once.
var textEncoding = base64.RawURLEncoding.Strict()

package token

import (
	"errors"
	"fmt"
	"strings"
)

// This file is what people are told of a token and of a ring.

// Parts is what a token says of itself. Nothing of it is proved unless a ring verifies the
// token.
type Parts struct {
	Hint byte // of the key that signed
	ID   [16]byte
}

// Inspect returns the parts of a token's text without verifying it. The error says why the
// text isn't a token, and holds nothing of it.
func Inspect(text string) (Parts, error) {
	if len(text) != TextLen {
		return Parts{}, fmt.Errorf("it has %d characters: a token has %d", len(text), TextLen)
	}
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	if i := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune(letters, r) }); i >= 0 {
		return Parts{}, fmt.Errorf("its character %d is none of base64url", i+1)
	}
	b, err := strict.DecodeString(text)
	switch {
	case err != nil || len(b) != size:
		return Parts{}, errors.New("its last character can't stand there: it was cut, or changed")
	case b[0] != format:
		return Parts{}, fmt.Errorf("its format is %d: this version knows %d", b[0], format)
	}
	return Parts{b[1], [16]byte(b[2:18])}, nil
}

// Hints returns the hints of a ring's keys, the first key's first. A hint is no secret, and
// two keys may have the same.
func (r *Ring) Hints() []byte {
	hints := make([]byte, len(r.keys))
	for i, k := range r.keys {
		hints[i] = k.hint
	}
	return hints
}

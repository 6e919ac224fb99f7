package dancer

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// This file signs and verifies ids as the old module did; its cookies' values are signed
// ids.

const (
	// DefaultLength is the length of hash and salt if signing.length is 0 or not set.
	DefaultLength = 10

	// MaxLength is the longest length: a hash has no more characters.
	MaxLength = 2 * sha1.Size // 40

	saltAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

	// stripped is the bytes that Perl's unpack takes off the end of a part with the
	// letter A, where a text is bytes: white space of ASCII, and NUL.
	stripped = "\x00\t\n\v\f\r "
)

// ErrNotVerified is Verify's error: the value isn't signed with the Signer's secret
// and length, or it holds no id.
var ErrNotVerified = errors.New("dancer: the value's signature is not verified")

// Signer signs and verifies ids as the old module does. A signed id is the value of a
// cookie, before percent-encoding:
//
//	value = hash + salt + id
//	hash  = first LENGTH characters of hex(HMAC-SHA1(key = secret + salt, message = id))
//	salt  = LENGTH characters of . / 0-9 A-Z a-z
//	id    = the _id of the session's document
//
// Hex digits are lower case. Nothing separates the parts: their position tells them
// apart.
//
// The format is that of Dancer::Session::ElasticSearch 1.007, byte for byte. It
// was recorded from the module; testdata/vectors.json has the recordings.
//
// A signature of the default length has 40 bits, and whoever knows the secret can sign.
// So a verified value names a document, and proves no more than that.
//
// A Signer is safe for concurrent use. It never shows its secret. The zero Signer
// verifies nothing and can't sign; NewSigner makes Signers.
type Signer struct {
	secret func() []byte // a function, so that printing a Signer shows no secret
	length int
}

// NewSigner makes a Signer. The secret is signing.secret, as the application's Perl read
// it: each character up to U+00FF is one byte of Latin-1. The module fails to sign with
// any other character, so such a secret is an error here.
//
// Length is signing.length, 1 to MaxLength; 0 means DefaultLength.
//
// An empty secret is an error. The module accepts it, and then anybody can sign.
func NewSigner(secret string, length int) (*Signer, error) {
	if length == 0 {
		length = DefaultLength
	}
	switch {
	case length < 0:
		return nil, fmt.Errorf("dancer: the signing length is %d: use 1 to %d", length, MaxLength)
	case length > MaxLength:
		return nil, fmt.Errorf("dancer: the signing length is %d, and a hash has %d characters: "+
			"cookies of that length never verified in Dancer either. Use 1 to %d", length, MaxLength, MaxLength)
	case secret == "":
		return nil, errors.New("dancer: the signing secret is empty, so anybody could sign: give the one that signed the cookies")
	}
	key, err := latin1(secret)
	if err != nil {
		return nil, fmt.Errorf("dancer: the signing secret %w", err)
	}
	return &Signer{secret: func() []byte { return key }, length: length}, nil
}

// latin1 returns the bytes of a text that is a key in Perl. Its error doesn't show the
// text.
func latin1(text string) ([]byte, error) {
	if !utf8.ValidString(text) {
		return nil, errors.New("is not valid UTF-8")
	}
	key := make([]byte, 0, len(text))
	for _, c := range text {
		if c > 0xff {
			return nil, errors.New("has a character beyond U+00FF, which no cookie of Dancer was ever signed with")
		}
		key = append(key, byte(c))
	}
	return key, nil
}

// Length returns the number of characters of the hash, which is also that of the salt.
func (s *Signer) Length() int {
	if s == nil {
		return 0
	}
	return s.length
}

// usable reports whether NewSigner made s.
func (s *Signer) usable() bool { return s != nil && s.secret != nil }

// Sign returns the signed form of an id, with a new salt.
//
// An id that is empty, or ends with white space or NUL, is an error: Verify wouldn't
// return it.
func (s *Signer) Sign(id string) (string, error) {
	switch {
	case !s.usable():
		return "", errors.New("dancer: the Signer has no secret: make it with NewSigner")
	case id == "":
		return "", errors.New("dancer: the id to sign is empty")
	case strings.TrimRight(id, stripped) != id:
		return "", errors.New("dancer: the id to sign ends with white space or NUL, which Verify would take off")
	}
	var random [MaxLength]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	salt := make([]byte, s.length)
	for i := range salt {
		salt[i] = saltAlphabet[random[i]%byte(len(saltAlphabet))] // 64 divides 256
	}
	return s.Hash(id, string(salt)) + string(salt) + id, nil
}

// Verify returns the id of a signed value, or ErrNotVerified.
//
// It accepts the values that the module accepts. First it takes white space of ASCII and
// NUL off the end of each part, so "VALUE\n" is as good as VALUE. It accepts any salt.
// It refuses a hash in upper case. It also refuses a value without an id, which the
// module verifies and then fails to look up.
//
// The id may be any text: take care where you put it.
func (s *Signer) Verify(value string) (string, error) {
	if !s.usable() || len(value) <= 2*s.length {
		return "", ErrNotVerified
	}
	hash := strings.TrimRight(value[:s.length], stripped)
	salt := strings.TrimRight(value[s.length:2*s.length], stripped)
	id := strings.TrimRight(value[2*s.length:], stripped)
	if subtle.ConstantTimeCompare([]byte(hash), []byte(s.Hash(id, salt))) != 1 || id == "" {
		return "", ErrNotVerified
	}
	return id, nil
}

// Hash returns the hash of an id with a salt. It uses both unchanged. That of the zero
// Signer is "".
func (s *Signer) Hash(id, salt string) string {
	if !s.usable() {
		return ""
	}
	return hash(s.secret(), s.length, id, salt)
}

func hash(secret []byte, length int, id, salt string) string {
	mac := hmac.New(sha1.New, append(slices.Clip(secret), salt...))
	mac.Write([]byte(id))
	return hex.EncodeToString(mac.Sum(nil))[:length]
}

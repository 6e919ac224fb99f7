package gorilla

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/gorilla/securecookie"
)

// This file is the texts that gorilla's stores wrote: reading them, and what it means if
// that fails.

// codecs are an application's, one for each pair of keys.
type codecs []*securecookie.SecureCookie

// newCodecs checks a store's codecs. A codec of another kind isn't taken, since a text of
// its might have several spellings, and each would be imported.
func newCodecs(of []securecookie.Codec) (codecs, error) {
	if len(of) == 0 {
		return nil, errors.New("gorilla: the store has no codecs: give it the keys that the sessions were made with")
	}
	var c codecs
	for i, codec := range of {
		sc, ok := codec.(*securecookie.SecureCookie)
		if !ok || sc == nil {
			return nil, fmt.Errorf("gorilla: codec %d is a %T: want *securecookie.SecureCookie, whose format is known", i+1, codec)
		}
		if _, err := sc.Encode("probe", map[any]any{}); err != nil {
			return nil, fmt.Errorf("gorilla: codec %d (the keys %d and %d) can't be used: %w", i+1, 2*i+1, 2*i+2, err)
		}
		c = append(c, sc)
	}
	return c, nil
}

var (
	// errAlien is the error of a text that such a store doesn't make, such as another
	// application's cookie.
	errAlien = errors.New("it isn't of this kind of store")
	// errOther is the error of a text that none of the codecs made for that name.
	errOther = errors.New("none of the keys made it")
	// errExpired is the error of a text that is older than the codec's MaxAge.
	errExpired = errors.New("it is older than MaxAge")
	// errTooLong is the error of a text beyond the codec's MaxLength, right or not.
	errTooLong = errors.New("it is longer than the codec's MaxLength, which sessions.FilesystemStore.MaxLength sets")
	// errUndecodable is the error of a text that is right, and isn't a T.
	errUndecodable = errors.New("it is right, but can't be decoded")
)

// read decodes a text into a T. Its errors are those above.
func read[T any](c codecs, name, text string) (v T, err error) {
	if _, _, ok := envelope(text); !ok {
		return v, errAlien
	}
	err = errOther
	for _, codec := range c {
		var v T // another codec may have left a part of its own
		e := codec.Decode(name, text, &v)
		if e == nil {
			return v, nil
		}
		// Of several codecs the one that gets furthest tells what is wrong.
		if e = judge(e); errors.Is(err, errOther) || errors.Is(e, errExpired) {
			err = e
		}
	}
	return v, err
}

// judge says what an error of a codec means, for a text whose envelope is right.
func judge(err error) error {
	var known securecookie.Error
	switch {
	case !errors.As(err, &known):
		return errTooLong
	case known.Error() == expiredText():
		return errExpired
	case known.Cause() == nil:
		return errOther
	}
	for known.Cause() != nil { // what the serializer says, after the text was verified
		err = known.Cause()
		if !errors.As(err, &known) {
			break
		}
	}
	return fmt.Errorf("%w: %w", errUndecodable, gobError("decoded", "a value", err))
}

// expiredText is the text of securecookie's error for an expired text. It exports neither
// the error nor what tells it from others, so one is provoked.
var expiredText = sync.OnceValue(func() string {
	sc := securecookie.New([]byte("any"), nil).MaxAge(-1)
	text, err := sc.Encode("any", "")
	if err == nil {
		err = sc.Decode("any", text, new(string))
	}
	return fmt.Sprint(err)
})

// envelope returns the bytes of a text, and when it was made: they are "date|value|mac".
// It doesn't verify them.
func envelope(text string) (b []byte, made time.Time, ok bool) {
	b, err := base64.URLEncoding.DecodeString(text)
	if err != nil || bytes.Count(b, []byte{'|'}) < 2 {
		return nil, made, false
	}
	date, _, _ := bytes.Cut(b, []byte{'|'})
	seconds, err := strconv.ParseInt(string(date), 10, 64)
	if err != nil {
		return nil, made, false
	}
	return b, time.Unix(seconds, 0).UTC(), true
}

// madeAt returns when a verified text was made.
func madeAt(text string) time.Time {
	_, made, _ := envelope(text)
	return made
}

// spelled returns the one spelling of a verified text. The last bits of base64 don't
// count, so a client could make up others.
func spelled(text string) string {
	b, _, _ := envelope(text)
	return base64.URLEncoding.EncodeToString(b)
}

// cookieError says what is wrong with a cookie, as an importer's error.
func cookieError(name string, err error) error {
	kind := cloakroom.ErrUnavailable
	switch {
	case errors.Is(err, errExpired), errors.Is(err, errAlien):
		kind = cloakroom.ErrNotFound
	case errors.Is(err, errOther), errors.Is(err, errTooLong):
		kind = cloakroom.ErrForged
	}
	return fmt.Errorf("gorilla: the cookie %q: %w: %w", name, err, kind)
}

// isID reports whether a session's id is as a FilesystemStore makes them: it is a part of
// a file's name.
func isID(id string) bool {
	return len(id) >= 16 && len(id) <= 128 && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

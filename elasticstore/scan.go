package elasticstore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// This file reads JSON.

// scanner reads one JSON text from front to back. The answers to gathered requests are
// large, and a general decoder needs longer to read them than the engine to send them.
//
// The first error stays, and everything read after it is zero. Of skipped values only
// the brackets and strings are checked: engines check what they store.
type scanner struct {
	data []byte
	pos  int
	err  error
}

var errTruncated = errors.New("it ends too early")

func (s *scanner) fail(err error) {
	if s.err == nil {
		s.err = err
		s.pos = len(s.data)
	}
}

func (s *scanner) failf(format string, args ...any) {
	s.fail(fmt.Errorf("at byte %d: "+format, append([]any{s.pos}, args...)...))
}

// peek returns the next byte that isn't white space, 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) && s.data[s.pos] > ' ' {
		return s.data[s.pos]
	}
	return s.space()
}

// space is peek for input that may begin with white space.
func (s *scanner) space() byte {
	for ; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// expect consumes one byte.
func (s *scanner) expect(want byte) {
	if s.peek() == want {
		s.pos++
	} else {
		s.unexpected(want)
	}
}

func (s *scanner) unexpected(want byte) {
	if s.pos >= len(s.data) {
		s.fail(errTruncated)
	} else {
		s.failf("%q instead of %q", s.data[s.pos], want)
	}
}

// null consumes a null, and reports whether it did.
func (s *scanner) null() bool {
	if s.peek() == 'n' && bytes.HasPrefix(s.data[s.pos:], []byte("null")) {
		s.pos += len("null")
		return true
	}
	return false
}

// object calls member for each member of an object. member must read the value; name is
// valid only until then. null has no members.
func (s *scanner) object(member func(name []byte)) {
	if s.null() {
		return
	}
	s.expect('{')
	if s.peek() == '}' {
		s.pos++
		return
	}
	for s.err == nil {
		name := s.text()
		s.expect(':')
		if s.err != nil {
			return
		}
		member(name)
		if s.peek() != ',' {
			break
		}
		s.pos++
	}
	s.expect('}')
}

// array calls element for each element of an array. element must read it. null has none.
func (s *scanner) array(element func()) {
	if s.null() {
		return
	}
	s.expect('[')
	if s.peek() == ']' {
		s.pos++
		return
	}
	for s.err == nil {
		element()
		if s.peek() != ',' {
			break
		}
		s.pos++
	}
	s.expect(']')
}

// token consumes a string, and returns its text in the input, quotes and escapes
// included.
func (s *scanner) token() []byte {
	s.peek()
	start := s.pos
	s.expect('"')
	for s.err == nil {
		i := bytes.IndexByte(s.data[s.pos:], '"')
		if i < 0 {
			s.fail(errTruncated)
			return nil
		}
		s.pos += i + 1
		// It is the end unless an odd number of backslashes precedes it.
		n := 0
		for j := s.pos - 2; j > start && s.data[j] == '\\'; j-- {
			n++
		}
		if n%2 == 0 {
			return s.data[start:s.pos]
		}
	}
	return nil
}

// text reads a string. The result may be part of the data.
func (s *scanner) text() []byte {
	// Names, ids and the like are short and plain.
	if s.peek() == '"' {
		rest := s.data[s.pos+1:]
		if n := plain(rest); n < len(rest) && rest[n] == '"' {
			s.pos += n + 2
			return rest[:n]
		}
	}
	raw := s.token()
	if s.err != nil {
		return nil
	}
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return raw[1 : len(raw)-1]
	}
	var v string
	if err := json.Unmarshal(raw, &v); err != nil {
		s.failf("not a string")
		return nil
	}
	return []byte(v)
}

// plain counts the bytes at the front of b that stand for themselves in a string:
// ASCII without quotes, backslashes and control characters.
func plain(b []byte) int {
	n := 0
	// Eight at a time. Each of these words has the high bit of a byte set where a byte
	// ends the run, and perhaps of bytes after it.
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; n+8 <= len(b); n += 8 {
		x := binary.LittleEndian.Uint64(b[n:])
		quote, slash := x^ones*'"', x^ones*'\\'
		if not := (x | (x - ones*' ') | (quote - ones) | (slash - ones)) & highs; not != 0 {
			return n + bits.TrailingZeros64(not)/8
		}
	}
	for n < len(b) && b[n] >= ' ' && b[n] < utf8.RuneSelf && b[n] != '"' && b[n] != '\\' {
		n++
	}
	return n
}

// skip consumes a value, and returns its text in the input.
func (s *scanner) skip() []byte {
	c := s.peek()
	start := s.pos
	switch c {
	case '"':
		return s.token()
	case '{', '[':
		return s.nested()
	}
	for s.pos < len(s.data) && !ends(s.data[s.pos]) {
		s.pos++
	}
	if s.pos == start {
		if s.pos >= len(s.data) {
			s.fail(errTruncated)
		} else {
			s.failf("%q instead of a value", c)
		}
		return nil
	}
	return s.data[start:s.pos]
}

// nested consumes an object or an array.
func (s *scanner) nested() []byte {
	start, depth := s.pos, 0
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case '"':
			if s.token() == nil {
				return nil
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.pos++
		if depth == 0 {
			return s.data[start:s.pos]
		}
	}
	s.fail(errTruncated)
	return nil
}

// ends reports whether a byte ends a number or a literal.
func ends(c byte) bool {
	switch c {
	case ',', ']', '}', ':', '"', '[', '{', ' ', '\t', '\n', '\r':
		return true
	}
	return false
}

// digits reads a number that consists of digits only, and is too short to be too large.
func (s *scanner) digits() (n uint64, ok bool) {
	s.peek()
	const most = 18
	for i, c := range s.data[s.pos:min(s.pos+most+1, len(s.data))] {
		if c < '0' || c > '9' {
			if i == 0 || !ends(c) {
				return 0, false
			}
			s.pos += i
			return n, true
		}
		n = 10*n + uint64(c-'0')
	}
	return 0, false
}

// integer reads a whole number, 0 for null.
func (s *scanner) integer() int64 {
	if n, ok := s.digits(); ok {
		return int64(n)
	}
	if s.null() {
		return 0
	}
	raw := s.skip()
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil && s.err == nil {
		s.failf("no whole number")
	}
	return n
}

// natural reads a whole number that isn't negative, 0 for null.
func (s *scanner) natural() uint64 {
	if n, ok := s.digits(); ok {
		return n
	}
	if s.null() {
		return 0
	}
	raw := s.skip()
	n, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil && s.err == nil {
		s.failf("no natural number")
	}
	return n
}

// boolean reads true or false, false for null.
func (s *scanner) boolean() bool {
	if s.null() {
		return false
	}
	switch string(s.skip()) {
	case "true":
		return true
	case "false":
	default:
		s.failf("neither true nor false")
	}
	return false
}

// end checks that nothing follows, and returns the first error.
func (s *scanner) end() error {
	if s.err == nil && (s.peek() != 0 || s.pos < len(s.data)) {
		s.failf("more than one value")
	}
	return s.err
}

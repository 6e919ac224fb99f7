// Package keyfile edits files of keys, as cloakroom.KeyringFile reads them: it makes them,
// and rotates the keys in them. It writes down in comments when a key was made, and from
// when until when it signed.
package keyfile

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is File, its text and its place on the disk.

// File is a file of keys. The first key signs, all verify.
type File struct {
	Keys []Key

	path       string   // without links
	read       []byte   // what was there
	head, tail []string // comments above the first key, and below the last
}

// Key is a key of a file. Printing one shows no secret.
type Key struct {
	Hint byte // which tokens carry; two keys may have the same
	// What the file's comments say. The zero time: nothing.
	Made, SignsSince, SignedUntil time.Time

	secret   func() []byte
	comments []string // of others, above it
}

// Waits reports whether the key was put behind the others, to sign later.
func (k *Key) Waits() bool {
	return !k.Made.IsZero() && k.SignsSince.IsZero() && k.SignedUntil.IsZero()
}

// Name returns the key's name for people: its hint.
func (k *Key) Name() string { return fmt.Sprintf("%02x", k.Hint) }

// Ring returns a ring of the key alone.
func (k *Key) Ring() (*token.Ring, error) { return token.NewRing([][]byte{k.secret()}) }

// NewSecret returns a new secret, as a line of a file.
func NewSecret() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
	return base64.StdEncoding.EncodeToString(secret[:])
}

// head is how a new file begins.
const head = "# Secrets of cloakroom's tokens, one a line; the first signs, all verify."

// New makes a file with one new key. It is an error if something is there.
func New(path string, now time.Time) (*File, error) {
	f := &File{path: path, head: []string{head}}
	k, err := newKey(now)
	if err != nil {
		return nil, err
	}
	k.SignsSince = now
	f.Keys = []Key{k}
	tmp, err := f.write()
	if err != nil {
		return nil, fmt.Errorf("making the key file: %w", err)
	}
	defer func() { _ = os.Remove(tmp) }()
	switch err := os.Link(tmp, path); { // which replaces nothing
	case errors.Is(err, fs.ErrExist):
		return nil, fmt.Errorf("%q is there already: to add a key to it, rotate it", path)
	case err != nil:
		return nil, fmt.Errorf("making the key file: %w", err)
	}
	return f, syncFolder(path)
}

// Read reads a file, if it is one that cloakroom.KeyringFile accepts.
func Read(path string) (*File, error) {
	if _, err := os.Stat(path); err != nil { // KeyringFile would make it
		return nil, fmt.Errorf("key file: %w", err)
	}
	if _, err := cloakroom.KeyringFile(path); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "cloakroom: "))
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	f := &File{path: path, read: text}
	return f, f.parse(string(text))
}

// parse reads the text. What we wrote above a key, and what others wrote above all but the
// first, goes with the key.
func (f *File) parse(text string) error {
	var k Key
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line != "" && line[0] != '#':
			secret, err := base64.StdEncoding.DecodeString(line)
			if err != nil {
				return errors.New("key file: it was changed while it was read")
			}
			if err := k.take(secret); err != nil {
				return err
			}
			f.Keys = append(f.Keys, k)
			k = Key{}
		case k.note(line):
		case len(f.Keys) == 0:
			f.head = append(f.head, line)
		case line != "":
			k.comments = append(k.comments, line)
		}
	}
	f.tail = k.comments
	return nil
}

// take gives the key its secret.
func (k *Key) take(secret []byte) error {
	k.secret = func() []byte { return secret }
	r, err := k.Ring()
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	k.Hint = r.Hints()[0]
	return nil
}

func newKey(now time.Time) (Key, error) {
	secret, err := base64.StdEncoding.DecodeString(NewSecret())
	if err != nil {
		return Key{}, err
	}
	k := Key{Made: now}
	return k, k.take(secret)
}

// The words of our comments, which stand above a key: "# key 7f: made TIME, signs since
// TIME, signed until TIME".
const (
	saysMade  = "made "
	saysSince = "signs since "
	saysUntil = "signed until "
)

// note reads a comment of ours. It returns false for any other.
func (k *Key) note(line string) bool {
	text, ok := strings.CutPrefix(line, "# key ")
	if !ok {
		return false
	}
	_, text, ok = strings.Cut(text, ": ")
	if !ok {
		return false
	}
	read := *k
	for part := range strings.SplitSeq(text, ", ") {
		known := false
		for word, at := range map[string]*time.Time{saysMade: &read.Made, saysSince: &read.SignsSince, saysUntil: &read.SignedUntil} {
			if said, ok := strings.CutPrefix(part, word); ok {
				t, err := time.Parse(time.RFC3339, said)
				if err != nil {
					return false
				}
				*at, known = t, true
			}
		}
		if !known {
			return false
		}
	}
	*k = read
	return true
}

// text returns the file's text.
func (f *File) text() []byte {
	var b bytes.Buffer
	for _, line := range f.head {
		fmt.Fprintln(&b, line)
	}
	for _, k := range f.Keys {
		for _, line := range k.comments {
			fmt.Fprintln(&b, line)
		}
		var said []string
		for _, s := range []struct {
			word string
			at   time.Time
		}{{saysMade, k.Made}, {saysSince, k.SignsSince}, {saysUntil, k.SignedUntil}} {
			if !s.at.IsZero() {
				said = append(said, s.word+s.at.UTC().Format(time.RFC3339))
			}
		}
		if said != nil {
			fmt.Fprintf(&b, "# key %s: %s\n", k.Name(), strings.Join(said, ", "))
		}
		fmt.Fprintln(&b, base64.StdEncoding.EncodeToString(k.secret()))
	}
	for _, line := range f.tail {
		fmt.Fprintln(&b, line)
	}
	return b.Bytes()
}

// write writes the text to a new file beside the file, readable by its owner only, and
// returns its path.
func (f *File) write() (tmp string, err error) {
	t, err := os.CreateTemp(filepath.Dir(f.path), ".cloakroom-key-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = t.Write(f.text())
	if err = errors.Join(err, t.Sync(), t.Close()); err != nil {
		return "", errors.Join(err, os.Remove(t.Name()))
	}
	return t.Name(), nil
}

// Save puts the file in the place of what was read, at once. It fails if that has changed
// since.
func (f *File) Save() error {
	tmp, err := f.write()
	if err != nil {
		return fmt.Errorf("writing the key file: %w", err)
	}
	defer func() { _ = os.Remove(tmp) }() // fails once it was renamed
	if now, err := os.ReadFile(f.path); err != nil || !bytes.Equal(now, f.read) {
		return errors.New("the key file was changed meanwhile: nothing was written")
	}
	if err := os.Rename(tmp, f.path); err != nil {
		return fmt.Errorf("writing the key file: %w", err)
	}
	return syncFolder(f.path)
}

// syncFolder has a file's name outlive a crash. Some systems can't.
func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("writing the key file: %w", err)
	}
	_ = d.Sync()
	return d.Close()
}

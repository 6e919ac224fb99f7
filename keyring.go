package cloakroom

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is the secrets that tokens are signed with.

// Keyring is the secrets that tokens are signed with: the first signs, all
// verify. To rotate, put a new secret in front, wait until no token of the old
// one is in use any more (the longest lifetime at most), then take the old one
// away; tokens met in between are signed anew. To go back to the old one, keep
// both for as long: what was signed anew needs the new one. It is safe for concurrent use.
type Keyring struct{ ring atomic.Pointer[token.Ring] }

// NewKeyring makes a ring. Each secret is 32 random bytes or more, the same in all
// processes of the application, and kept as carefully as a password.
func NewKeyring(secrets ...[]byte) (*Keyring, error) {
	k := new(Keyring)
	if err := k.Replace(secrets...); err != nil {
		return nil, err
	}
	return k, nil
}

// Replace puts another ring in the place of this one, for all managers that use
// it, from the next request on. On an error the ring stays as it was.
func (k *Keyring) Replace(secrets ...[]byte) error {
	ring, err := token.NewRing(secrets)
	if err != nil {
		return fmt.Errorf("cloakroom: keyring: %w", err)
	}
	k.ring.Store(ring)
	return nil
}

// KeyringFile reads a ring from a file: a secret a line, in base64, the one that
// signs first; empty lines and lines that start with # don't count. If there is
// no such file, it is made with one new secret, readable by its owner only.
//
// It suits one machine. Where several share the sessions, give all of them the
// same secrets by NewKeyring.
func KeyringFile(path string) (*Keyring, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKeyFile(path); err != nil {
			return nil, fmt.Errorf("cloakroom: making key file: %w", err)
		}
		info, err = os.Stat(path)
	}
	if err != nil {
		return nil, fmt.Errorf("cloakroom: key file: %w", err)
	}
	// On Windows the folder decides who may read; all files there say 0666.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("cloakroom: key file %s can be read by others (mode %04o): run chmod 600 on it, and replace its secrets if others may have read them", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cloakroom: key file: %w", err)
	}
	var secrets [][]byte
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		secret, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			return nil, fmt.Errorf("cloakroom: key file %s, line %d: not base64", path, n)
		}
		secrets = append(secrets, secret)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("cloakroom: key file %s: %w", path, err)
	}
	keyring, err := NewKeyring(secrets...)
	if err != nil {
		return nil, fmt.Errorf("%w (in key file %s)", err, path)
	}
	return keyring, nil
}

// makeKeyFile puts a whole file in place at once, or none if another process
// was faster.
func makeKeyFile(path string) error {
	var secret [32]byte
	_, _ = rand.Read(secret[:])                                       // never fails (crypto/rand)
	tmp, err := os.CreateTemp(filepath.Dir(path), ".cloakroom-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = fmt.Fprintf(tmp, "# Secrets of cloakroom's tokens, one a line; the first signs, all verify.\n%s\n",
		base64.StdEncoding.EncodeToString(secret[:]))
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err = os.Link(tmp.Name(), path); errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

package cloakroom

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// This file is KeyringFile: a keyring's secrets in a file.

// KeyringFile reads a ring from a file: a secret a line, in base64, the one that signs
// first. Empty lines and lines that start with # don't count. If there is no such file,
// it is made with one new secret, readable by its owner only. For a further line: openssl
// rand -base64 32.
//
// Links are followed. The file that is opened has to be a regular one that belongs to the
// user of this process or to root, and that nobody else can read or write.
//
// It suits one machine. If several share the sessions, give all of them the same secrets
// by NewKeyring.
func KeyringFile(path string) (*Keyring, error) {
	text, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKeyFile(path); err != nil {
			return nil, fmt.Errorf("cloakroom: making key file: %w", err)
		}
		text, err = readKeyFile(path)
	}
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
			return nil, fmt.Errorf("cloakroom: key file %s, line %d: not base64, as of 32 random bytes: openssl rand -base64 32 prints some", path, n)
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

// readKeyFile reads a file of secrets, if nobody else can have put them there or read
// them. It checks the file that it has opened, since another may be at the path by then.
func readKeyFile(path string) ([]byte, error) {
	// A FIFO is opened at once, and refused below.
	f, err := os.OpenFile(path, os.O_RDONLY|openNonblock, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return nil, fmt.Errorf("%s is not a regular file (%v)", path, mode)
	case !isOurs(info):
		return nil, fmt.Errorf("%s belongs to another user, who can read and change its secrets: make it anew as the user of this process", path)
	// On Windows the folder decides who may read; all files there say 0666.
	case mode.Perm()&0o077 != 0 && runtime.GOOS != "windows":
		return nil, fmt.Errorf("%s can be read by others (mode %04o): run chmod 600 on it, and replace its secrets if others may have read them", path, mode.Perm())
	}
	return io.ReadAll(f)
}

// makeKeyFile puts a complete file in place at once. It does nothing if another process
// was faster.
func makeKeyFile(path string) error {
	var secret [32]byte
	_, _ = rand.Read(secret[:])                                       // never fails (crypto/rand)
	tmp, err := os.CreateTemp(filepath.Dir(path), ".cloakroom-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = fmt.Fprintf(tmp, "# Secrets of cloakroom's tokens, one a line; the first signs, all verify. To make one: openssl rand -base64 32\n%s\n",
		base64.StdEncoding.EncodeToString(secret[:]))
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err = os.Link(tmp.Name(), path); errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
)

// This file is the file of "cloakroom copy --resume". It saves time, and nothing else: the
// pass behind the first one goes through everything again.

// placeFile is such a file.
type placeFile struct {
	path string // "": there is none
	what copyPlace
	at   string // where to begin

	mu     sync.Mutex
	last   time.Time
	failed bool
}

// copyPlace is the file's content.
type copyPlace struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Place string `json:"place"`
}

// openPlaceFile reads the file, if there is one. One of other stores isn't used.
func openPlaceFile(path string, from, to place.Place) (*placeFile, error) {
	f := &placeFile{path: path, what: copyPlace{From: from.String(), To: to.String()}}
	if path == "" {
		return f, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	var there copyPlace
	if err == nil {
		err = json.Unmarshal(text, &there)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("--resume: %w: remove the file, and it begins anew", err)
	case there.From != f.what.From || there.To != f.what.To:
		return nil, fmt.Errorf("--resume: %s is of another copy, from %s to %s: name another file", path, there.From, there.To)
	}
	f.at = there.Place
	return f, nil
}

// keep writes how far the first pass is, now and then.
func (f *placeFile) keep(at string, t *terminal) {
	const often = time.Second
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path == "" || f.failed || time.Since(f.last) < often {
		return
	}
	f.last, f.what.Place = time.Now(), at
	text, err := json.Marshal(f.what)
	if err == nil {
		err = replaceFile(f.path, append(text, '\n'))
	}
	if err != nil {
		f.failed = true
		t.note("--resume: it can't be kept how far this is: %v", err)
	}
}

// done removes the file, once the first pass is whole.
func (f *placeFile) done() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path != "" {
		_ = os.Remove(f.path) // it would only cost time
		f.path = ""
	}
}

// replaceFile writes a file as a whole.
func replaceFile(path string, text []byte) error {
	next, err := os.CreateTemp(filepath.Dir(path), ".cloakroom-*")
	if err != nil {
		return err
	}
	_, err = next.Write(text)
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		_ = os.Remove(next.Name())
	}
	return err
}

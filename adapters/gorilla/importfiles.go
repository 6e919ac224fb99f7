package gorilla

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/gorilla/sessions"
)

// This file is the import from a FilesystemStore: a file for each session, which is read,
// and removed when it has been imported.

// FilesystemImporter is a cloakroom.Importer of the sessions of a sessions.FilesystemStore.
//
// Its files have no versions. A digest tells whether one has changed since it was read, so
// that what an old process saved meanwhile is taken over. But what it saves in the instant
// between that look and the removal is lost, and one that has the session loaded makes the
// file anew. So stop the processes with the FilesystemStore before the first with the
// importer is started. A visitor who signed out has no file: a copy of the cookie opens
// nothing.
//
// A file that doesn't verify, and was written within the last minute, may be one that is
// being written: the visitor gets 503, and keeps the cookie. An older one was cut off when
// a process was killed, or a disk full. It is no session, as with gorilla.
//
// A file doesn't tell when its session was made, so Config.NotBefore refuses all. The
// session's Deadline is MaxAge after the file was written last, and later saves don't move
// it. If MaxAge is 0, it is by the Manager's configuration.
type FilesystemImporter struct {
	reader *reader
	dir    string
	remove func(name string) error // os.Remove
}

var _ cloakroom.Importer = (*FilesystemImporter)(nil)

// NewFilesystemImporter makes an Importer of the sessions of a name. store is as the
// application made it, with all pairs of keys whose sessions are to be imported, with its
// MaxLength, and with the Options, of which MaxAge tells how long a session lasted. dir is
// the directory that the store was made with. To find out whether that is true, a session
// is saved and deleted.
func NewFilesystemImporter(store *sessions.FilesystemStore, dir, name string, o *ImportOptions) (*FilesystemImporter, error) {
	if store == nil {
		return nil, errors.New("gorilla: no FilesystemStore given: it is nil")
	}
	r, err := newReader(store.Codecs, store.Options, name, o)
	if err != nil {
		return nil, err
	}
	if dir == "" { // as gorilla does it
		dir = os.TempDir()
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("gorilla: the store's directory: %w", err)
	}
	i := &FilesystemImporter{r, dir, os.Remove}
	return i, i.probe(store)
}

// probe checks that the store's files are in the directory, and can be removed. Otherwise
// each visitor would be taken for a stranger.
func (i *FilesystemImporter) probe(store *sessions.FilesystemStore) error {
	s := sessions.NewSession(store, i.reader.names[0])
	s.Options.MaxAge = 1
	if err := store.Save(&http.Request{}, nowhere{}, s); err != nil {
		return fmt.Errorf("gorilla: a session to try the store with can't be saved: %w", err)
	}
	_, missing := os.Stat(i.file(s.ID))
	s.Options.MaxAge = -1
	err := store.Save(&http.Request{}, nowhere{}, s)
	switch {
	case missing != nil:
		return fmt.Errorf("gorilla: the store doesn't keep its files in %s: want the directory that it was made with", i.dir)
	case err != nil:
		return fmt.Errorf("gorilla: a session to try the store with can't be deleted: %w", err)
	}
	return nil
}

// nowhere is a response that nobody gets.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) WriteHeader(int)             {}

// Name implements cloakroom.Importer.
func (i *FilesystemImporter) Name() string { return "gorilla FilesystemStore" }

// Find implements cloakroom.Importer. A cookie that none of the keys made is ErrForged. An
// expired one is ErrNotFound, and so is one of another format, such as another
// application's.
func (i *FilesystemImporter) Find(r *http.Request) (t cloakroom.ForeignToken, err error) {
	list, err := i.reader.find(r, func(name, value string) (string, error) {
		id, err := read[string](i.reader.codecs, name, value)
		if errors.Is(err, errUndecodable) { // such as the values of a CookieStore
			err = errAlien
		}
		if err != nil {
			return "", cookieError(name, err)
		}
		if !isID(id) {
			return "", fmt.Errorf("gorilla: the cookie %q names a session by what is no id: want base32: %w", name, cloakroom.ErrForged)
		}
		return id, nil
	})
	if err != nil {
		return t, err
	}
	t.ID = list[0].Text
	err = tell(&t, list) // each Save made another cookie, but the ids stay
	return t, err
}

// Load implements cloakroom.Importer.
func (i *FilesystemImporter) Load(ctx context.Context, t cloakroom.ForeignToken) (*cloakroom.ForeignSession, error) {
	list, err := sessionsOf(t)
	if err != nil {
		return nil, err
	}
	var f *cloakroom.ForeignSession
	digests := map[string]string{}
	for n, p := range list {
		text, digest, err := i.read(ctx, p.Text)
		var values map[any]any
		if err == nil {
			digests[p.Text] = digest // also of one that is no session any more: Retire removes it
			values, err = i.decode(p, text)
		}
		switch {
		case errors.Is(err, cloakroom.ErrNotFound) && n > 0:
			continue
		case err != nil:
			return nil, err
		}
		if n == 0 {
			f = i.reader.begin(madeAt(text), "")
		}
		if err := i.reader.add(f, p.Name, values); err != nil {
			return nil, err
		}
	}
	version, err := json.Marshal(digests)
	f.Version = string(version)
	return f, err
}

// Retire implements cloakroom.Importer. The importer's own session is removed last, so
// that one which is gone was ended by others.
func (i *FilesystemImporter) Retire(ctx context.Context, t cloakroom.ForeignToken, version string) error {
	list, err := sessionsOf(t)
	if err != nil {
		return err
	}
	var digests map[string]string
	if err := json.Unmarshal([]byte(version), &digests); err != nil {
		return errors.New("gorilla: the version isn't of this importer's Load")
	}
	for n, p := range slices.Backward(list) {
		_, digest, err := i.read(ctx, p.Text)
		switch {
		case errors.Is(err, cloakroom.ErrNotFound) && n > 0: // perhaps by an earlier try
			continue
		case err != nil:
			return err
		case digest != digests[p.Text]:
			return fmt.Errorf("gorilla: the file of a session %q has changed: %w", p.Name, cloakroom.ErrConflict)
		}
		// A file that was there just now, and isn't any more: a network's file system may have
		// lost its answer to this very removal.
		if err := i.remove(i.file(p.Text)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fileError("removed", err)
		}
	}
	return nil
}

// Forget implements cloakroom.Importer.
func (i *FilesystemImporter) Forget(h http.Header) { i.reader.forget(h) }

// file returns the path of a session's file.
func (i *FilesystemImporter) file(id string) string { return filepath.Join(i.dir, "session_"+id) }

// read returns a file's text, and its digest.
func (i *FilesystemImporter) read(ctx context.Context, id string) (text, digest string, err error) {
	if err := ctx.Err(); err != nil {
		return "", "", err
	}
	if !isID(id) {
		return "", "", errors.New("gorilla: the foreign token names a session by what is no id")
	}
	b, err := os.ReadFile(i.file(id))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", "", i.notThere()
	case err != nil:
		return "", "", fileError("read", err)
	}
	sum := sha256.Sum256(b)
	return string(b), hex.EncodeToString(sum[:]), nil
}

// notThere says that a session's file isn't there, as long as the directory is.
func (i *FilesystemImporter) notThere() error {
	if _, err := os.Stat(i.dir); err != nil {
		return fileError("looked for", err)
	}
	return fmt.Errorf("gorilla: the session has no file: %w", cloakroom.ErrNotFound)
}

// writing is how long a file that doesn't verify may be one that is being written.
const writing = time.Minute

// decode decodes a file's text.
func (i *FilesystemImporter) decode(p presented, text string) (map[any]any, error) {
	values, err := read[map[any]any](i.reader.codecs, p.Name, text)
	kind := cloakroom.ErrUnavailable
	switch {
	case err == nil:
		return values, nil
	case errors.Is(err, errExpired):
		kind = cloakroom.ErrNotFound
	case errors.Is(err, errOther), errors.Is(err, errAlien):
		info, e := os.Stat(i.file(p.Text))
		if e == nil && time.Since(info.ModTime()) > writing {
			kind = cloakroom.ErrNotFound
		}
	}
	return nil, fmt.Errorf("gorilla: the file of a session %q: %w: %w", p.Name, err, kind)
}

// fileError is the error of an operation on a file, without the file's name, which is the
// session's id.
func fileError(what string, err error) error {
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		err = of.Err
	}
	return fmt.Errorf("gorilla: a session's file can't be %s: %w: %w", what, err, cloakroom.ErrUnavailable)
}

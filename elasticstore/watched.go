package elasticstore

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// This file is files that are read again when they change: of a password, an API key or
// certificates.

// renewEvery is the least time between two looks at whether the files have changed.
const renewEvery = time.Second

// mostWatched bounds the size of a watched file, in bytes.
const mostWatched = 1 << 20

// watchedFile is a file whose content is taken up again when it has changed.
type watchedFile struct {
	field, path string             // the field of ClientConfig that names it
	use         func([]byte) error // takes the content up, or says what is wrong with it
	log         func() *slog.Logger

	mu   sync.Mutex
	info os.FileInfo // of the file that was read last; nil: none could be read
	told string      // the trouble that was logged last
}

// load reads the file and takes its content up.
func (w *watchedFile) load() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.loadLocked()
}

func (w *watchedFile) loadLocked() error {
	content, info, err := readWatched(w.path)
	if err == nil {
		w.info = info
		err = w.use(content)
	}
	if err != nil {
		return fmt.Errorf("ClientConfig.%s: %w", w.field, err)
	}
	w.told = ""
	return nil
}

// readWatched reads a file, and tells which file that was.
func readWatched(path string) ([]byte, os.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()            // before reading: what is written meanwhile is seen at the next look
	if err != nil {
		return nil, nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, mostWatched+1))
	switch {
	case err != nil:
		return nil, nil, err
	case len(content) > mostWatched:
		return nil, nil, fmt.Errorf("%s is longer than %d bytes", path, mostWatched)
	case len(content) == 0:
		return nil, info, fmt.Errorf("%s: %w", path, errEmpty)
	}
	return content, info, nil
}

var errEmpty = errors.New("the file is empty")

// renew loads the file again if always is set, or if it isn't the one that was read last.
// Where that fails, what was read before stays, and the log says so.
func (w *watchedFile) renew(always bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !always && !w.changed() {
		return nil
	}
	err := w.loadLocked()
	if err != nil && err.Error() != w.told {
		w.told = err.Error()
		w.log().Warn("elasticstore: a changed file can't be used; what it held before stays in use", "error", err)
	}
	return err
}

// changed reports whether the file isn't the one that was read last, or was written since.
func (w *watchedFile) changed() bool {
	info, err := os.Stat(w.path)
	if err != nil || w.info == nil {
		return true
	}
	return !os.SameFile(info, w.info) || info.Size() != w.info.Size() || !info.ModTime().Equal(w.info.ModTime())
}

// watch are the files of a client.
type watch struct {
	files []*watchedFile
	next  atomic.Int64 // the time of the next look
}

// renew takes changed files up, if it is time to.
func (w *watch) renew(now func() time.Time) {
	if len(w.files) == 0 {
		return
	}
	at, next := now().UnixNano(), w.next.Load()
	if at < next || !w.next.CompareAndSwap(next, at+int64(renewEvery)) {
		return
	}
	for _, f := range w.files {
		_ = f.renew(false) // logged
	}
}

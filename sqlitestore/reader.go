package sqlitestore

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the connections that read, and the pool that lends them.

// reader is a connection that reads.
type reader struct {
	conn               *sqlite.Conn
	get, begin, commit *sqlite.Stmt
	app                string // the app of the record read last
	own                observer
}

// openReader opens a connection for reading. Its statements must always be reset: an
// open one keeps its view of the file, and sees nothing newer.
func openReader(path string) (*reader, error) {
	c, err := openConn(path)
	if err != nil {
		return nil, err
	}
	r := &reader{conn: c}
	for _, sql := range []string{
		"PRAGMA query_only = 1",
		"PRAGMA trusted_schema = 0",
		// Sorting must not leave sessions in the folder for temporary files.
		"PRAGMA temp_store = MEMORY",
		// Room for the inner pages of some million records.
		"PRAGMA cache_size = -8000",
	} {
		if err = execute(c, sql); err != nil {
			break
		}
	}
	for _, p := range []struct {
		stmt **sqlite.Stmt
		sql  string
	}{
		{&r.get, "SELECT " + columns + " FROM records WHERE id = ?1"},
		{&r.begin, "BEGIN"},
		{&r.commit, "COMMIT"},
	} {
		if err == nil {
			*p.stmt, err = c.Prepare(p.sql)
		}
	}
	if err == nil {
		r.own, err = observe(c)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return r, nil
}

// find reads the record of an id.
func (r *reader) find(id driver.ID) (f found) {
	defer func() {
		if err := r.get.Reset(); f.err == nil && err != nil {
			f = found{err: err}
		}
	}()
	var text [22]byte
	base64.RawURLEncoding.Encode(text[:], id[:])
	r.get.BindText(1, string(text[:]))
	if f.ok, f.err = r.get.Step(); !f.ok || f.err != nil {
		return found{err: f.err}
	}
	rec, data, err := scanRow(r.get, id, r.app)
	f.err = err
	switch {
	case errors.Is(f.err, driver.ErrNewer), errors.Is(f.err, driver.ErrCorrupt):
		return found{ok: true, err: f.err}
	case f.err != nil:
		return found{ok: true, err: fmt.Errorf("%w: %w", driver.ErrCorrupt, f.err)}
	}
	if rec.Grave != nil {
		f.grave = rec
		return f
	}
	r.app = rec.App
	f.copy = copyOfRow(rec, data)
	return f
}

// pool lends readers. It may be used concurrently.
type pool struct {
	free    chan *reader
	size    int // readers, free or not
	busy    time.Duration
	queries atomic.Int64    // by long
	closing context.Context //nolint:containedctx // ends when the pool is closed
	end     context.CancelFunc
}

func newPool(size int, busy time.Duration) *pool {
	p := &pool{free: make(chan *reader, size), busy: busy}
	p.closing, p.end = context.WithCancel(context.Background())
	return p
}

// add opens a further reader.
func (p *pool) add(path string) error {
	r, err := openReader(path)
	if err == nil {
		p.free <- r
		p.size++
	}
	return err
}

// take lends a reader; put gives it back.
func (p *pool) take(ctx context.Context) (*reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if p.closing.Err() != nil {
		return nil, driver.ErrClosed
	}
	select {
	case r := <-p.free:
		return r, nil
	default:
	}
	select {
	case r := <-p.free:
		return r, nil
	case <-p.closing.Done():
		return nil, driver.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pool) put(r *reader) { p.free <- r }

// long runs a query that may take long. The query ends with ctx, or when the pool is
// closed. Short queries don't use it, since watching a context costs a goroutine.
func (p *pool) long(ctx context.Context, f func(r *reader) error) error {
	r, err := p.take(ctx)
	if err != nil {
		return err
	}
	defer p.put(r)
	p.queries.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.closing, cancel)()
	r.conn.SetInterrupt(ctx.Done())
	defer r.conn.SetInterrupt(nil)
	err = retry(ctx, p.busy, func() error { return f(r) })
	switch {
	case err == nil || ctx.Err() == nil:
		return err
	case p.closing.Err() != nil:
		return driver.ErrClosed
	}
	return ctx.Err()
}

// close waits until all readers are back and closes them. It must be called
// once.
func (p *pool) close() error {
	p.end()
	var errs []error
	for range p.size {
		errs = append(errs, (<-p.free).conn.Close())
	}
	return errors.Join(errs...)
}

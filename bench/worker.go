package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is a process of the cases with several: this program again, which works on a
// store and is told by lines of JSON what to do.

// workerFor is the variable of the environment that makes this program a worker.
const workerFor = "CLOAKROOM_BENCH_WORKER"

// order is what a worker is told to do. Each has one of the parts.
type order struct {
	Open  *where `json:",omitempty"`
	Know  []ids  `json:",omitempty"` // the sessions of all workers
	Work  *work  `json:",omitempty"`
	Check bool   `json:",omitempty"`
}

// where is the store, and how many sessions the worker makes in it.
type where struct {
	File, URL, Index string // a file, or an address and an index
	Sessions, First  int    // First is the number of the first one
}

type work struct {
	Callers int
	Span    time.Duration
}

// ids are a worker's sessions, of which the first has a number.
type ids struct {
	First int
	All   []cloakroom.ID
}

// done is a worker's answer to an order.
type done struct {
	Err  string        `json:",omitempty"`
	IDs  *ids          `json:",omitempty"`
	N    int           `json:",omitempty"` // operations
	Took time.Duration `json:",omitempty"`
	CPU  time.Duration `json:",omitempty"` // of the worker's process
}

// worker is a process's part of the sessions. It saves its own, and reads anybody's.
type worker struct {
	records *records
	others  []ids
	open    []func() error // closes what is open
}

// obey carries orders out until there are no more.
func obey(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	w := &worker{}
	defer func() { err = errors.Join(err, w.close()) }()
	from, to := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	for {
		var o order
		if err := from.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		d, err := w.do(ctx, o)
		if err != nil {
			d = done{Err: err.Error()}
		}
		if err := to.Encode(d); err != nil {
			return err
		}
	}
}

func (w *worker) do(ctx context.Context, o order) (done, error) {
	switch {
	case o.Open != nil:
		return w.begin(ctx, *o.Open)
	case o.Know != nil:
		w.others = o.Know
		return done{}, nil
	case o.Work != nil:
		return w.work(ctx, *o.Work)
	case o.Check:
		return done{}, w.records.check(ctx)
	}
	return done{}, errors.New("an order without a part")
}

// begin makes the worker's sessions.
func (w *worker) begin(ctx context.Context, at where) (done, error) {
	store, err := w.openStore(ctx, at, withCopies)
	if err != nil {
		return done{}, err
	}
	if w.records, err = fillFrom(ctx, store, at.First, at.Sessions, time.Now()); err != nil {
		return done{}, err
	}
	if w.records.reader, err = w.openStore(ctx, at, withoutCopies); err != nil { // what is there, and not what is remembered
		return done{}, err
	}
	mine := &ids{First: at.First}
	for _, r := range w.records.all {
		mine.All = append(mine.All, r.ID)
	}
	return done{IDs: mine}, nil
}

// openStore opens a store, which ends with the worker.
func (w *worker) openStore(ctx context.Context, at where, copyBytes int) (cloakroom.Store, error) {
	if at.File != "" {
		s, err := sqlitestore.Open(ctx, at.File, &sqlitestore.Config{CopyBytes: copyBytes})
		if err == nil {
			w.open = append(w.open, s.Close)
		}
		return s, err
	}
	s, err := elasticstore.Open(ctx, elasticstore.ClientConfig{URLs: []string{at.URL}},
		&elasticstore.Config{Index: at.Index, Replicas: -1, CopyBytes: copyBytes, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	w.open = append(w.open, s.Close)
	again := func(err error) bool { return errors.Is(err, cloakroom.ErrUnavailable) }
	return s, patiently(ctx, func() error { return s.Setup(ctx) }, again)
}

func (w *worker) close() error {
	var errs []error
	for _, end := range slices.Backward(w.open) {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// work reads and saves, half and half.
func (w *worker) work(ctx context.Context, o work) (done, error) {
	save := w.records.saves(o.Callers)
	before, _ := processorTime()
	begin := time.Now()
	r, err := closed(ctx, o.Span, o.Callers, func(ctx context.Context, caller, turn int) error {
		if turn%2 == 0 {
			return w.read(ctx)
		}
		return save(ctx, caller, turn/2)
	})
	if err != nil {
		return done{}, err
	}
	now, _ := processorTime()
	return done{N: r.N, Took: time.Since(begin), CPU: now - before}, nil
}

// read reads anybody's session, and checks that it is the right one.
func (w *worker) read(ctx context.Context) error {
	whose := w.others[rand.IntN(len(w.others))]
	i := rand.IntN(len(whose.All))
	id := whose.All[i]
	r, err := w.records.store.Get(ctx, id)
	if err == nil && (r.Principal != principal(whose.First+i) || len(r.Values) != 5) {
		err = fmt.Errorf("session %v is %s's in place of %s's", id, r.Principal, principal(whose.First+i))
	}
	return err
}

// beWorker reports whether this process is a worker, and lets it work.
func beWorker(ctx context.Context) (bool, error) {
	if os.Getenv(workerFor) == "" {
		return false, nil
	}
	return true, obey(ctx, os.Stdin, os.Stdout)
}

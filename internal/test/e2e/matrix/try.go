package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// result is what came of one engine. What could not be run stays nil.
type result struct {
	entry
	engine  string // as it calls itself, with its version
	suite   *count // the conformance suite, in both arrangements of indices
	imports *count // of Dancer's sessions, without security
	history *history.Report
	took    time.Duration
	err     error
}

func (r result) String() string {
	verdict := "passed"
	if r.err != nil {
		verdict = "FAILED"
	}
	s := fmt.Sprintf("%s: %s in %.0f s: %s; conformance suite %v; imports %v", r.label(), verdict, r.took.Seconds(), r.Engine(), r.Suite(), r.Imports())
	if r.history != nil {
		s += "; " + r.history.String()
	}
	return s
}

const (
	module = "github.com/cloakroom-go/cloakroom/"
	suite  = "TestConformance" // in this package, with a test inside for each arrangement of indices:

	periods  = "periods"
	oneIndex = "one_index"
)

// try starts an engine and runs everything on it, also after a failure.
func (s *settings) try(ctx context.Context, e entry) (r result) {
	r = result{entry: e}
	began := time.Now()
	err := testengine.Command(ctx, s.log.Writer(), func(t testengine.TB) {
		engine := testengine.Start(t, testengine.Options{Name: e.name, Security: e.role})
		r.engine = engine.String()
		at := targetOf(engine)
		text, err := json.Marshal(at)
		if err != nil {
			t.Fatal(err)
		}
		r.suite, err = s.conformance(ctx, targetVariable+"="+string(text))
		note(t, "the conformance suite", err)
		if e.role == nil { // dancer's tests have no login
			r.imports, err = goTest(ctx, s.log, "CLOAKROOM_TEST_ENGINE="+at.URL, module+"dancer", "-run", "^TestImport")
			note(t, "the imports of Dancer's sessions", err)
		}
		r.history, err = s.work(ctx, at)
		note(t, "the workload", err)
	})
	r.took, r.err = time.Since(began), err
	return r
}

// conformance runs the suite in both arrangements of indices at a time, as it is
// mostly waiting: each in a process, since it counts goroutines.
func (s *settings) conformance(ctx context.Context, variable string) (*count, error) {
	var counts [2]*count
	var errs [2]error
	var both sync.WaitGroup
	for i, arrangement := range []string{periods, oneIndex} {
		both.Go(func() {
			counts[i], errs[i] = goTest(ctx, s.log, variable, module+"internal/test/e2e/matrix", "-run", "^"+suite+"$/^"+arrangement+"$")
		})
	}
	both.Wait()
	return counts[0].plus(counts[1]), errors.Join(errs[:]...)
}

func note(t testengine.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// work has clients work on sessions by way of three managers, each with a store
// of its own, and checks what they were told.
func (s *settings) work(ctx context.Context, at target) (report *history.Report, err error) {
	client, err := at.client(at.User)
	if err != nil {
		return nil, err
	}
	keyring, err := cloakroom.NewKeyring([]byte(rand.Text() + rand.Text()))
	if err != nil {
		return nil, err
	}
	var open []io.Closer
	defer func() {
		for _, c := range slices.Backward(open) {
			err = errors.Join(err, c.Close())
		}
	}()
	index := prefix + "-" + strings.ToLower(rand.Text())
	var executors []workload.Executor
	for i := range 3 {
		store, err := elasticstore.New(client, &elasticstore.Config{Index: index, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return nil, err
		}
		open = append(open, store)
		local, err := workload.NewLocal(fmt.Sprintf("manager%d", i+1), store, keyring, nil)
		if err != nil {
			return nil, err
		}
		open = append(open, local)
		executors = append(executors, local)
	}
	working, stop := context.WithTimeout(ctx, s.length)
	defer stop()
	report, err = workload.Run(working, executors, workload.Options{Seed: s.seed, Check: &history.Options{Dir: s.dir}})
	if err != nil {
		return report, err
	}
	for i := range report.Failures {
		s.log.Print(report.Failures[i].String())
	}
	return report, errors.Join(ctx.Err(), report.Err(history.Kinds()...))
}

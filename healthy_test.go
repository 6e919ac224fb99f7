package cloakroom_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is the test that no outcome is unknown on a healthy SQLite file, with
// several processes on one session (invariant 13).

var healthyFor = flag.Duration("healthy.for", 3*time.Second, "how long TestI13_NoUnknownOnAHealthyFile goes on")

// crowd is the work of one process on one hot session and one principal.
type crowd struct {
	At, Token string
	Clients   int // that increment
	For       time.Duration
}

const crowdVariable = "CLOAKROOM_TEST_CROWD"

// tally counts the outcomes of a crowd's operations.
type tally struct {
	Saved, SignedIn int
	Unknown         int
	Errors          []string
	Longest         time.Duration
}

func (t *tally) count(n *int, took time.Duration, err error) {
	switch {
	case err == nil:
		*n++
	case errors.Is(err, cloakroom.ErrUnknown):
		t.Unknown++
		fallthrough
	default:
		t.Errors = append(t.Errors, err.Error())
	}
	t.Longest = max(t.Longest, took)
}

// TestCrowd is run by the processes of TestI13_NoUnknownOnAHealthyFile. Managers and
// stores are as in production.
func TestCrowd(t *testing.T) {
	text := os.Getenv(crowdVariable)
	if text == "" {
		t.Skip("another test starts it in a process of its own")
	}
	var c crowd
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	m := healthyManager(t, c.At)
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var sum tally
	until := time.Now().Add(c.For)
	again := func(n *int, f func() error) {
		for time.Now().Before(until) {
			began := time.Now()
			err := f()
			mu.Lock()
			sum.count(n, time.Since(began), err)
			mu.Unlock()
		}
	}
	var all sync.WaitGroup
	for range c.Clients {
		all.Go(func() {
			again(&sum.Saved, func() error {
				s, err := m.Retrieve(context.Background(), c.Token)
				if err != nil {
					return err
				}
				visits.Update(s, plusOne)
				return s.Save(context.Background())
			})
		})
	}
	all.Go(func() {
		s, err := m.Create(context.Background())
		if err != nil {
			t.Error(err)
			return
		}
		again(&sum.SignedIn, func() error { return s.Login(context.Background(), "ann", nil) })
	})
	all.Wait()
	out, err := json.Marshal(sum)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%s %s\n", crowdVariable, out)
}

func healthyManager(t *testing.T, path string) *cloakroom.Manager {
	t.Helper()
	store, err := sqlitestore.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	m, err := cloakroom.New(store, testKeyring(t), &cloakroom.Config{
		Transport: cloakroom.Cookie{Insecure: true}, SweepEvery: -1, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// Three processes with four clients each increment one session, and sign in the same
// principal. The file is healthy, so each learns the outcome.
func TestI13_NoUnknownOnAHealthyFile(t *testing.T) {
	const processes, clients = 3, 4
	path := filepath.Join(t.TempDir(), "sessions.db")
	m := healthyManager(t, path)
	s, err := m.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	task, err := json.Marshal(crowd{At: path, Token: s.Token(), Clients: clients, For: *healthyFor})
	if err != nil {
		t.Fatal(err)
	}
	var all []*process
	for range processes {
		all = append(all, spawn(t, "TestCrowd", crowdVariable+"="+string(task)))
	}
	for _, p := range all {
		p.proceed()
	}
	var sum tally
	for _, p := range all {
		text := p.ends(crowdVariable)
		var got tally
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("a process told %q: %v", text, err)
		}
		sum.Saved += got.Saved
		sum.SignedIn += got.SignedIn
		sum.Unknown += got.Unknown
		sum.Errors = append(sum.Errors, got.Errors...)
		sum.Longest = max(sum.Longest, got.Longest)
		t.Logf("%d saves, %d sign-ins, %d unknown, %d errors, the longest took %v", got.Saved, got.SignedIn, got.Unknown, len(got.Errors), got.Longest)
	}
	slices.Sort(sum.Errors)
	for _, e := range sum.Errors[:min(5, len(sum.Errors))] {
		t.Log(e)
	}
	if sum.Unknown > 0 || len(sum.Errors) > 0 {
		t.Errorf("of %d operations %d had an unknown outcome, and %d an error", sum.Saved+sum.SignedIn+len(sum.Errors), sum.Unknown, len(sum.Errors))
	}
	if s, err = m.Retrieve(t.Context(), s.Token()); err != nil {
		t.Fatal(err)
	}
	if got := visits.Get(s); got != sum.Saved {
		t.Errorf("%d visits are kept, want the %d that were acknowledged", got, sum.Saved)
	}
	// Each process signs in again and again from the session that it has.
	if devices, err := m.Admin().Sessions(t.Context(), "ann"); err != nil || len(devices) != processes {
		t.Errorf("%d devices are signed in, want %d (%v)", len(devices), processes, err)
	}
	if sum.Saved == 0 || sum.SignedIn == 0 {
		t.Error("nothing was saved, or nobody signed in")
	}
}

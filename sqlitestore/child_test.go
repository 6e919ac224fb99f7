package sqlitestore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// children are programs for tests that need other processes. Such a process is this test
// binary, which runs one of these instead of the tests.
var children = map[string]func(args []string) error{
	"increment": childIncrement,
	"write":     childWrite,
	"visit":     func(args []string) error { return visit(args[0]) },
}

const childEnv = "CLOAKROOM_TEST_CHILD"

func TestMain(m *testing.M) {
	if args := strings.Split(os.Getenv(childEnv), "\n"); args[0] != "" {
		if err := children[args[0]](args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	leaktest.Main(m)
}

// child is another process.
type child struct {
	*exec.Cmd
	in     io.WriteCloser
	out    *bufio.Scanner
	errors strings.Builder
}

// start starts a child. It ends with the test at the latest.
func start(t testing.TB, name string, args ...string) *child {
	t.Helper()
	c := newChild(t, name, args...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

func newChild(t testing.TB, name string, args ...string) *child {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	c := &child{Cmd: exec.CommandContext(ctx, os.Args[0])}
	c.Env = append(os.Environ(), childEnv+"="+strings.Join(append([]string{name}, args...), "\n"))
	c.Stderr = &c.errors
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	if c.in, err = c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = c.Wait()
	})
	return c
}

// line returns the next line that the child prints.
func (c *child) line(t testing.TB) string {
	t.Helper()
	if !c.out.Scan() {
		t.Fatalf("the child ended too early: %v\n%s", c.Wait(), c.errors.String())
	}
	return c.out.Text()
}

// done waits until the child has ended, which must succeed.
func (c *child) done(t testing.TB) {
	t.Helper()
	for c.out.Scan() {
	}
	if err := c.Wait(); err != nil {
		t.Fatalf("the child: %v\n%s", err, c.errors.String())
	}
}

// session returns a new session's record.
func session() *driver.Record {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return &driver.Record{
		ID:       driver.NewID(driver.LayoutDay, now),
		Kind:     driver.KindSession,
		App:      "test",
		Created:  now,
		Seen:     now,
		Expires:  now.Add(time.Hour),
		Deadline: now.Add(24 * time.Hour),
		Writes:   1,
		Values:   driver.ValueList{{Name: "n", JSON: json.RawMessage("0")}},
	}
}

// increment adds one to a session's counter, times times, by so many callers. It returns
// the number of conflicts.
func increment(s *sqlitestore.Store, id driver.ID, callers, times int) (conflicts int, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for done := 0; done < times; {
				e := incrementOnce(s, id)
				if e == nil {
					done++
					continue
				}
				mu.Lock()
				conflicts++
				if !errors.Is(e, driver.ErrConflict) {
					err, done = e, times
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return conflicts, err
}

func incrementOnce(s *sqlitestore.Store, id driver.ID) error {
	r, err := s.Get(context.Background(), id)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(r.Values.Get("n")))
	if err != nil {
		return err
	}
	u := *r
	u.Writes++
	u.Values = driver.NewValueList(map[string]json.RawMessage{"n": json.RawMessage(strconv.Itoa(n + 1))})
	_, err = s.Update(context.Background(), &u)
	return err
}

// childIncrement increments a counter: path, id, callers, times.
func childIncrement(args []string) error {
	s, err := sqlitestore.Open(context.Background(), args[0], nil)
	if err != nil {
		return err
	}
	id, err := driver.ParseID(args[1])
	if err != nil {
		return err
	}
	callers, _ := strconv.Atoi(args[2])
	times, _ := strconv.Atoi(args[3])
	fmt.Println("ready")
	if _, err := io.ReadAll(os.Stdin); err != nil {
		return err
	}
	start := time.Now()
	conflicts, err := increment(s, id, callers, times)
	fmt.Println("conflicts", conflicts, "time", time.Since(start).Round(time.Millisecond))
	return errors.Join(err, s.Close())
}

// childWrite saves in 64 sessions of its own until it is killed, and prints each
// acknowledged save: path.
func childWrite(args []string) error {
	s, err := sqlitestore.Open(context.Background(), args[0], nil)
	if err != nil {
		return err
	}
	acks := make(chan string)
	for range 64 {
		go func() {
			r := session()
			v, err := s.Create(context.Background(), r)
			for err == nil {
				acks <- fmt.Sprintf("%s %d", r.ID, r.Writes)
				u := *r
				u.Version = v
				u.Writes++
				u.Values = driver.NewValueList(map[string]json.RawMessage{"n": json.RawMessage(strconv.FormatUint(u.Writes, 10))})
				v, err = s.Update(context.Background(), &u)
				r = &u
			}
			acks <- "error " + err.Error()
		}()
	}
	for ack := range acks {
		if _, err := fmt.Println(ack); err != nil {
			return err
		}
	}
	return nil
}

const visits = 25

// visit opens a file, saves and reads a session, and closes the file, again and again,
// from two goroutines.
func visit(path string) error {
	errs := make(chan error)
	for range 2 {
		go func() {
			var err error
			for range visits {
				err = errors.Join(err, visitOnce(path))
			}
			errs <- err
		}()
	}
	return errors.Join(<-errs, <-errs)
}

func visitOnce(path string) error {
	ctx := context.Background()
	s, err := sqlitestore.Open(ctx, path, &sqlitestore.Config{Readers: 1})
	if err != nil {
		return err
	}
	r := session()
	if _, err = s.Create(ctx, r); err == nil {
		_, err = s.Get(ctx, r.ID)
	}
	return errors.Join(err, s.Close())
}

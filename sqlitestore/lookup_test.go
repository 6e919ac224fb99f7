package sqlitestore

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
)

// crowd is look-ups on a store whose one reader is lent out. One look-up leads and waits
// for the reader; the others wait for it.
type crowd struct {
	*Store
	t      *testing.T
	reader *reader
	back   sync.Once
	wg     sync.WaitGroup
}

func newCrowd(t *testing.T, records []*driver.Record) *crowd {
	t.Helper()
	s := openTest(t, &Config{Readers: 1, CopyBytes: -1}) // reads are of the file
	s.lookups.most = 1
	for _, r := range records {
		var err error
		if r.Version, err = s.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.readers.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{Store: s, t: t, reader: r}
	t.Cleanup(c.giveBack) // otherwise Close waits for it
	return c
}

// giveBack lets the look-ups begin.
func (c *crowd) giveBack() { c.back.Do(func() { c.readers.put(c.reader) }) }

// ask begins a look-up, and returns when it waits.
func (c *crowd) ask(ctx context.Context, id driver.ID, then func(*driver.Record, error)) {
	c.t.Helper()
	leading, waiting := c.state()
	c.wg.Go(func() { then(c.Get(ctx, id)) })
	c.until(func(l, w int) bool { return l+w == leading+waiting+1 })
}

// askAll begins a look-up of each record, and checks their errors.
func (c *crowd) askAll(records []*driver.Record, want string, ok func(error) bool) {
	c.t.Helper()
	for i, r := range records {
		c.ask(c.t.Context(), r.ID, func(_ *driver.Record, err error) {
			if !ok(err) {
				c.t.Errorf("record %d: got %v, want %s", i, err, want)
			}
		})
	}
}

func (c *crowd) state() (leading, waiting int) {
	c.lookups.mu.Lock()
	defer c.lookups.mu.Unlock()
	return c.lookups.leading, len(c.lookups.waiting)
}

// until waits for a state of the look-ups.
func (c *crowd) until(ok func(leading, waiting int) bool) {
	c.t.Helper()
	for {
		if ok(c.state()) {
			return
		}
		if err := c.t.Context().Err(); err != nil {
			c.t.Fatal(err)
		}
		runtime.Gosched()
	}
}

// TestLookupsTogether: more look-ups wait than can share a transaction. Each gets its
// own answer, and sees every save from before it asked and while it waited.
func TestLookupsTogether(t *testing.T) {
	records := samples(mostTogether + 10)
	c := newCrowd(t, records[1:])
	stored := map[driver.ID]driver.Version{}
	for _, r := range records[1:] {
		if err := c.change(r); err != nil {
			t.Fatal(err)
		}
		stored[r.ID] = r.Version
	}
	var mu sync.Mutex
	answers := map[driver.ID]*driver.Record{}
	for i, r := range records {
		c.ask(t.Context(), r.ID, func(got *driver.Record, err error) {
			if i == 0 && !errors.Is(err, driver.ErrNotFound) || i > 0 && err != nil {
				t.Errorf("record %d: %v", i, err)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[r.ID] = got
		})
	}
	for i := 1; i < len(records); i += 2 {
		if err := c.change(records[i]); err != nil {
			t.Fatal(err)
		}
		stored[records[i].ID] = records[i].Version
	}
	c.giveBack()
	c.wg.Wait()
	for i, r := range records[1:] {
		got := answers[r.ID]
		if got == nil || got.ID != r.ID || got.Principal != r.Principal || got.Version != stored[r.ID] {
			t.Errorf("record %d: the answer is %+v, in place of version %v of %s", i+1, got, stored[r.ID], r.Principal)
		}
	}
	shared := int64(0)
	for _, b := range c.lookups.sizes.Histogram().Buckets {
		if b.From > 1 {
			shared += b.Count
		}
	}
	if shared != 2 {
		t.Errorf("%d look-ups took %d transactions, not 2", len(records), shared)
	}
	c.rests()
}

// TestLookupNotOlderThanAsked: a record is saved and then looked up while an earlier
// transaction is under way. The look-up isn't answered from that transaction.
func TestLookupNotOlderThanAsked(t *testing.T) {
	records := samples(3)
	c := newCrowd(t, records)
	reached, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	err := c.reader.conn.CreateFunction("pause", &sqlite.FunctionImpl{
		NArgs: 1,
		Scalar: func(sqlite.Context, []sqlite.Value) (sqlite.Value, error) {
			once.Do(func() {
				close(reached)
				<-goOn
			})
			return sqlite.IntegerValue(1), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.reader.get, err = c.reader.conn.Prepare("SELECT " + columns + " FROM records WHERE id = ?1 AND pause(id)"); err != nil {
		t.Fatal(err)
	}
	c.askAll(records[:2], "none", func(err error) bool { return err == nil })
	c.giveBack()
	<-reached
	last := records[2]
	changed := c.change(last)
	c.ask(t.Context(), last.ID, func(got *driver.Record, err error) {
		if err != nil || got.Version != last.Version {
			t.Errorf("got %+v, %v, in place of version %v, which was saved before", got, err, last.Version)
		}
	})
	close(goOn)
	c.wg.Wait()
	if changed != nil {
		t.Fatal(changed)
	}
	c.rests()
}

// change saves a record once more.
func (c *crowd) change(r *driver.Record) error {
	save(r)
	v, err := c.Update(c.t.Context(), r)
	r.Version = v
	return err
}

// rests checks that no look-up leads or waits, and that the store answers.
func (c *crowd) rests() {
	c.t.Helper()
	if leading, waiting := c.state(); leading != 0 || waiting != 0 {
		c.t.Errorf("in the end %d lead and %d wait", leading, waiting)
	}
	if _, err := c.Get(c.t.Context(), sample(0).ID); !errors.Is(err, driver.ErrNotFound) {
		c.t.Errorf("afterwards: %v", err)
	}
}

// TestLookupLeaves: look-ups end while they wait, and so does the one that leads. The
// others are answered.
func TestLookupLeaves(t *testing.T) {
	records := samples(4)
	c := newCrowd(t, records)
	gone, leave := context.WithCancel(t.Context())
	var left sync.WaitGroup
	for i, r := range records {
		if i%2 == 1 {
			c.ask(t.Context(), r.ID, func(got *driver.Record, err error) {
				if err != nil || got.ID != r.ID {
					t.Errorf("record %d: %v, %v", i, got, err)
				}
			})
			continue
		}
		left.Add(1)
		c.ask(gone, r.ID, func(_ *driver.Record, err error) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("look-up %d, whose context has ended: %v", i, err)
			}
			left.Done()
		})
	}
	leave()
	left.Wait() // while no reader is free
	c.until(func(leading, waiting int) bool { return leading == 1 && waiting == 1 })
	c.giveBack()
	c.wg.Wait()
	c.rests()
}

// TestLookupLeavesLate: a look-up's context ends while another carries it out. It
// doesn't wait for that.
func TestLookupLeavesLate(t *testing.T) {
	records := samples(2)
	c := newCrowd(t, records)
	c.ask(t.Context(), records[0].ID, func(got *driver.Record, err error) {
		if err != nil || got.ID != records[0].ID {
			t.Errorf("the one that leads: %v, %v", got, err)
		}
	})
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	c.ask(ctx, records[1].ID, func(_ *driver.Record, err error) { left <- err })
	w := c.lookups.cut() // take it as a transaction that hangs would
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("whose context has ended: %v", err)
	}
	w[0].turn <- answered // must not block, though nobody waits
	c.giveBack()
	c.wg.Wait()
	c.rests()
}

// TestLookupsClosed closes a store in which look-ups wait.
func TestLookupsClosed(t *testing.T) {
	records := samples(4)
	c := newCrowd(t, records)
	c.askAll(records, "ErrClosed", func(err error) bool { return errors.Is(err, driver.ErrClosed) })
	closed := make(chan error)
	go func() { closed <- c.Close() }()
	c.wg.Wait()
	c.giveBack()
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestLookupsFail: a transaction can't begin. All that share it get the error, and the
// next one succeeds.
func TestLookupsFail(t *testing.T) {
	records := samples(3)
	c := newCrowd(t, records)
	c.askAll(records, "SQLite's error", func(err error) bool {
		return err != nil && strings.Contains(err.Error(), "within a transaction")
	})
	do(t, c.reader.conn, "BEGIN")
	c.giveBack()
	c.wg.Wait()
	do(t, c.reader.conn, "COMMIT")
	c.rests()
}

// TestLookupsPanic: the look-up that leads panics. Those that share its transaction
// don't wait for ever.
func TestLookupsPanic(t *testing.T) {
	records := samples(3)
	c := newCrowd(t, records)
	get := c.reader.get
	panicked := make(chan any, 1)
	c.wg.Go(func() {
		defer func() { panicked <- recover() }()
		_, _ = c.Get(t.Context(), records[0].ID)
	})
	c.until(func(leading, _ int) bool { return leading == 1 })
	c.askAll(records[1:], "errBroken", func(err error) bool { return errors.Is(err, errBroken) })
	c.reader.get = nil
	c.giveBack()
	c.wg.Wait()
	if <-panicked == nil {
		t.Error("the panic was swallowed")
	}
	c.reader.get = get
	c.rests()
}

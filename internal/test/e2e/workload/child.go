package workload

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

// call and answer are the lines that go to a child and come from it.
type call struct {
	ID int `json:"id"`
	Op Op  `json:"op"`
}

type answer struct {
	ID     int    `json:"id"`
	Result Result `json:"result"`
}

// Serve does what a parent's Spawn asks on in, each operation in a goroutine of
// its own, and answers on out. It returns when in ends and all is answered.
func Serve(in io.Reader, out io.Writer, e Executor) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	enc := json.NewEncoder(out)
	var failure error
	dec := json.NewDecoder(bufio.NewReader(in))
	for {
		var c call
		err := dec.Decode(&c)
		if err != nil {
			wg.Wait()
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return errors.Join(err, failure)
		}
		wg.Go(func() {
			r := e.Do(context.Background(), c.Op)
			mu.Lock()
			defer mu.Unlock()
			failure = errors.Join(failure, enc.Encode(answer{c.ID, r}))
		})
	}
}

// Child is a process that does operations by Serve.
type Child struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser

	sending sync.Mutex // holds one line together

	mu      sync.Mutex
	last    int
	waiting map[int]chan Result
	ended   bool // no operation can be sent any more

	done chan struct{} // closed when the process has ended
	err  error         // why, then
}

var _ Executor = (*Child)(nil)

// Spawn starts a command that serves by Serve on its standard input and output.
// Close or Kill has to be called.
func Spawn(name string, cmd *exec.Cmd) (*Child, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &Child{name: name, cmd: cmd, in: in, waiting: map[int]chan Result{}, done: make(chan struct{})}
	go c.read(out)
	return c, nil
}

// read hands out answers until there are no more.
func (c *Child) read(out io.Reader) {
	defer close(c.done)
	dec := json.NewDecoder(bufio.NewReader(out))
	var failure error
	for {
		var a answer
		if err := dec.Decode(&a); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				failure = fmt.Errorf("workload: child %s: %w", c.name, err)
			}
			break
		}
		c.mu.Lock()
		w := c.waiting[a.ID]
		delete(c.waiting, a.ID)
		c.mu.Unlock()
		if w != nil {
			w <- a.Result
		}
	}
	c.mu.Lock()
	c.ended = true
	for _, w := range c.waiting {
		close(w)
	}
	c.waiting = nil
	c.mu.Unlock()
	_ = c.in.Close()
	if failure != nil {
		_ = c.cmd.Process.Kill() // it talks nonsense
	}
	c.err = errors.Join(failure, c.cmd.Wait())
}

// Name implements Executor.
func (c *Child) Name() string { return c.name }

// Done is closed when the process has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Pid returns the process's id.
func (c *Child) Pid() int { return c.cmd.Process.Pid }

// Do implements Executor. What a child was asked and has not answered when it
// ends is unknown.
func (c *Child) Do(_ context.Context, op Op) Result {
	w := make(chan Result, 1)
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return notSent("the process has ended")
	}
	c.last++
	id := c.last
	c.waiting[id] = w
	c.mu.Unlock()
	line, err := json.Marshal(call{id, op})
	if err != nil {
		return failed(err)
	}
	c.sending.Lock()
	_, err = c.in.Write(append(line, '\n'))
	c.sending.Unlock()
	if err != nil { // whether it got the line isn't known
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
		return unanswered()
	}
	r, ok := <-w
	if !ok {
		return unanswered()
	}
	return r
}

func unanswered() Result {
	return Result{Outcome: history.Unknown, Note: "the process ended before it answered"}
}

// Kill ends the process at once (SIGKILL) and waits until it has ended.
func (c *Child) Kill() {
	_ = c.cmd.Process.Kill()
	<-c.done
}

// Close lets the process finish what it was asked and end by itself.
func (c *Child) Close() error {
	c.sending.Lock()
	_ = c.in.Close()
	c.sending.Unlock()
	<-c.done
	return c.err
}

// Restartable is an executor whose process may end and be followed by another,
// while clients go on. What is asked while there is none is not sent.
type Restartable struct {
	name string

	mu      sync.Mutex
	current Executor
}

var _ Executor = (*Restartable)(nil)

// NewRestartable returns an executor that does nothing until Replace.
func NewRestartable(name string) *Restartable { return &Restartable{name: name} }

// Name implements Executor.
func (r *Restartable) Name() string { return r.name }

// Replace has e do what is asked from now on; nil: nobody does. It returns
// whoever did up to now, and doesn't end it.
func (r *Restartable) Replace(e Executor) (before Executor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, r.current = r.current, e
	return before
}

// Do implements Executor.
func (r *Restartable) Do(ctx context.Context, op Op) Result {
	r.mu.Lock()
	e := r.current
	r.mu.Unlock()
	if e == nil {
		return notSent("no process is running")
	}
	return e.Do(ctx, op)
}

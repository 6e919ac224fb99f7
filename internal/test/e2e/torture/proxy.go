package torture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"
)

// trouble is what a proxy does to connections. The zero trouble is none.
type trouble struct {
	latency time.Duration // before each piece of an answer
	rate    int           // bytes a second of answers; 0: any
	reset   int           // after so many bytes of answers the connection is reset; 0: never
	deaf    bool          // requests are held back, and reach the node when the trouble is over
	mute    bool          // requests reach the node, but no answer comes back until it is over
	refuse  bool          // connections are reset at once
}

func (t trouble) String() string {
	switch {
	case t.latency > 0:
		return fmt.Sprintf("each piece of an answer %v late", t.latency)
	case t.rate > 0:
		return fmt.Sprintf("answers at %d bytes a second", t.rate)
	case t.reset > 0:
		return fmt.Sprintf("reset after %d bytes of answers", t.reset)
	case t.deaf:
		return "half-open, requests held back"
	case t.mute:
		return "half-open, answers held back"
	case t.refuse:
		return "connections refused"
	}
	return "none"
}

// proxy stands between clients and one node, and makes trouble. It is written
// for this: what there is as a library needs some sixteen modules more, for an
// interface and metrics that nobody here asks for, and holds no request back to
// let it go later.
type proxy struct {
	listener net.Listener
	target   string
	ctx      context.Context //nolint:containedctx // ends with close
	end      context.CancelFunc
	all      sync.WaitGroup

	mu      sync.Mutex
	trouble trouble
	changed chan struct{} // closed when the trouble changes
	resets  int           // connections that were reset
	held    int           // pieces that were held back
}

// newProxy starts a proxy before the node at an address.
func newProxy(target string) (*proxy, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	ctx, end := context.WithCancel(context.Background())
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		end()
		return nil, err
	}
	p := &proxy{listener: l, target: u.Host, ctx: ctx, end: end, changed: make(chan struct{})}
	p.all.Go(p.accept)
	return p, nil
}

func (p *proxy) url() string { return "http://" + p.listener.Addr().String() }

// count returns one of the proxy's counters.
func (p *proxy) count(what *int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return *what
}

// set changes the trouble, for connections that there are as well.
func (p *proxy) set(t trouble) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble = t
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *proxy) now() (t trouble, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.trouble, p.changed
}

// close ends the proxy and all connections.
func (p *proxy) close() {
	p.end()
	_ = p.listener.Close()
	p.all.Wait()
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.all.Go(func() { p.serve(c.(*net.TCPConn)) })
	}
}

// serve is one connection's life.
func (p *proxy) serve(client *net.TCPConn) {
	if t, _ := p.now(); t.refuse {
		p.reset(client)
		return
	}
	defer func() { _ = client.Close() }()
	var d net.Dialer
	c, err := d.DialContext(p.ctx, "tcp", p.target)
	if err != nil {
		p.reset(client)
		return
	}
	node := c.(*net.TCPConn)
	defer func() { _ = node.Close() }()
	stop := context.AfterFunc(p.ctx, func() {
		_ = client.Close()
		_ = node.Close()
	})
	defer stop()
	var both sync.WaitGroup
	both.Go(func() {
		p.pass(client, node, p.request)
		_ = node.CloseWrite()
	})
	both.Go(func() {
		p.pass(node, client, p.answer())
		_ = client.Close() // a request that is held back is let go all the same
	})
	both.Wait()
}

var errReset = errors.New("reset")

// pass copies pieces; delay waits as the trouble says, and may cut a piece.
func (p *proxy) pass(from, to *net.TCPConn, delay func(n int) (int, error)) {
	b := make([]byte, 16<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			n, cut := delay(n)
			if _, err := to.Write(b[:n]); err != nil || cut != nil {
				if cut != nil {
					p.reset(to)
				}
				_ = from.Close()
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// request holds a piece of a request back while the proxy is deaf.
func (p *proxy) request(n int) (int, error) {
	for {
		t, changed := p.now()
		if !t.deaf || !p.hold(changed) {
			return n, nil
		}
	}
}

// answer holds pieces of a connection's answers back.
func (p *proxy) answer() func(n int) (int, error) {
	passed := 0
	var began <-chan struct{} // the trouble that passed is counted in
	return func(n int) (int, error) {
		for {
			t, changed := p.now()
			if changed != began {
				began, passed = changed, 0
			}
			switch {
			case t.mute:
				if p.hold(changed) {
					continue
				}
			case t.latency > 0:
				p.sleep(t.latency)
			case t.rate > 0:
				p.sleep(time.Duration(n) * time.Second / time.Duration(t.rate))
			case t.refuse:
				return 0, errReset
			case t.reset > 0 && passed+n >= t.reset:
				return t.reset - passed, errReset
			}
			passed += n
			return n, nil
		}
	}
}

// hold waits for the trouble to change, and reports whether it did before the
// proxy's end.
func (p *proxy) hold(changed <-chan struct{}) bool {
	p.mu.Lock()
	p.held++
	p.mu.Unlock()
	select {
	case <-changed:
		return true
	case <-p.ctx.Done():
		return false
	}
}

func (p *proxy) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.ctx.Done():
	}
}

// reset closes a connection as a node that crashed does.
func (p *proxy) reset(c *net.TCPConn) {
	p.mu.Lock()
	p.resets++
	p.mu.Unlock()
	_ = c.SetLinger(0)
	_ = c.Close()
}

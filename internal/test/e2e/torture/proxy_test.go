package torture

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const answerBytes = 100_000

// behind starts a node that answers at length, and a proxy before it. asked gets
// a value for each request that reaches the node.
func behind(t *testing.T) (p *proxy, client *http.Client, asked chan string) {
	t.Helper()
	asked = make(chan string, 10)
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		_, _ = io.WriteString(w, strings.Repeat("x", answerBytes))
	}))
	t.Cleanup(node.Close)
	p, err := newProxy(node.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return p, &http.Client{Transport: transport}, asked
}

// fetch returns how many bytes of the answer came.
func fetch(ctx context.Context, client *http.Client, p *proxy, path string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url()+path, nil)
	if err != nil {
		return 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return len(b), err
}

func TestProxyPassesAndResets(t *testing.T) {
	p, client, _ := behind(t)
	for _, c := range []struct {
		trouble trouble
		whole   bool
	}{
		{trouble{}, true},
		{trouble{reset: 5000}, false},
		{trouble{}, true},
		{trouble{refuse: true}, false},
		{trouble{latency: time.Millisecond}, true},
		{trouble{rate: 10_000_000}, true},
	} {
		p.set(c.trouble)
		client.CloseIdleConnections()
		n, err := fetch(t.Context(), client, p, "/")
		if whole := n == answerBytes && err == nil; whole != c.whole {
			t.Errorf("%v: %d bytes, %v", c.trouble, n, err)
		}
		if c.trouble.reset > 0 && n > c.trouble.reset {
			t.Errorf("%v: %d bytes came", c.trouble, n)
		}
	}
	if n := p.count(&p.resets); n < 2 {
		t.Errorf("%d resets were counted", n)
	}
}

// A request that was held back reaches the node after the trouble, although its
// client has gone; one whose answer is held back has reached it at once.
func TestProxyHoldsBack(t *testing.T) {
	p, client, asked := behind(t)
	await := func(held int) {
		for p.count(&p.held) < held {
			runtime.Gosched()
		}
	}
	giveUp := func(path string, held int) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		answer := make(chan error, 1)
		go func() {
			_, err := fetch(ctx, client, p, path)
			answer <- err
		}()
		await(held)
		cancel()
		if <-answer == nil {
			t.Errorf("%s was answered", path)
		}
	}

	p.set(trouble{deaf: true})
	giveUp("/held", 1)
	select {
	case path := <-asked:
		t.Errorf("%s reached the node through a proxy that is deaf", path)
	default:
	}
	p.set(trouble{mute: true}) // lets it go
	if got := <-asked; got != "/held" {
		t.Errorf("%s was let go", got)
	}

	await(2) // its answer is held back now
	giveUp("/unanswered", 3)
	if got := <-asked; got != "/unanswered" {
		t.Errorf("%s reached the node", got)
	}
	p.set(trouble{})
	if n, err := fetch(t.Context(), client, p, "/"); n != answerBytes || err != nil {
		t.Errorf("after the trouble: %d bytes, %v", n, err)
	}
}

// What was seen in the time of a cut, and no other answer, may be as old as the
// cut.
func TestAnswersAreOldOnlyWhileANodeIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &answers{}
		start := time.Now()
		at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
		a.cuts = []cut{{since: at(10), from: at(20), to: at(22)}, {since: at(40), from: at(50)}}
		for _, c := range []struct{ call, end, lag int }{
			{1, 5, 0}, {15, 19, 0}, {18, 21, 8}, {21, 30, 11}, {23, 30, 0}, {41, 49, 0}, {60, 61, 20},
		} {
			if got := a.lag(at(c.call), at(c.end)); got != time.Duration(c.lag)*time.Second {
				t.Errorf("from %d to %d: %v, want %d s", c.call, c.end, got, c.lag)
			}
		}
	})
}

func TestStallsAreMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &answers{}
		a.answered() // before the work
		time.Sleep(time.Hour)
		a.start()
		time.Sleep(time.Second)
		var done sync.WaitGroup
		done.Go(func() {
			if !a.await(t.Context(), 2) {
				t.Error("two answers did not do")
			}
		})
		synctest.Wait()
		a.answered()
		time.Sleep(3 * time.Second)
		a.answered()
		done.Wait()
		time.Sleep(2 * time.Second)
		a.stop()
		time.Sleep(time.Hour)
		if a.longest != 3*time.Second {
			t.Errorf("the longest stall was %v", a.longest)
		}
	})
}

func TestDocument(t *testing.T) {
	broken := Tally{
		Scenario: Scenarios()[0], Seed: 42, Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Took: time.Hour,
		Kills: 7, Err: errors.New("lost one"), Notes: []string{"much"},
	}
	broken.History.Failed, broken.History.Families = 1, 3
	after := broken
	after.Began, after.Err, after.History.Failed = broken.Began.Add(time.Minute), nil, 0
	file := filepath.Join(t.TempDir(), "results")
	for _, tally := range []Tally{after, broken} {
		if err := appendResult(file, tally); err != nil {
			t.Fatal(err)
		}
	}
	all, err := readResults(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].Err == nil || all[0].Err.Error() != "lost one" || all[1].Err != nil || all[0].Scenario.Run == nil {
		t.Fatalf("from the file: %+v", all)
	}
	text, err := Whole{all}.Document()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"1 promises broken", "| node-killed | 0 | 7 |", "**broken**", "| passed |", "lost one", "much", "-only '^node-killed$' -seed 42 -for 1h0m0s",
		"2026-01-02 03:04 to 04:05", "2h0m0s in all, some beside each other", Scenarios()[0].What,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the document doesn't say %q:\n%s", want, text)
		}
	}
}

func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := []Scenario{{Weight: 3}, {Weight: 1}}
		if got := time.Until(share(time.Now().Add(time.Hour), left)); got != 45*time.Minute {
			t.Errorf("three quarters of an hour are %v", got)
		}
	})
}

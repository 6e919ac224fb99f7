package dancer_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/dancer"
)

// This file switches an application over that is running: the processes of the old one
// are stopped and those of the new one started, while its visitors go on asking.

// shop is a process of the application.
type shop struct {
	cmd   *exec.Cmd
	url   string
	stdin io.Closer
}

func (l *lab) startShop(task shopTask) *shop {
	l.Helper()
	text, err := json.Marshal(task)
	if err != nil {
		l.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		l.Fatal(err)
	}
	c := exec.CommandContext(l.Context(), self)
	c.Env = append(os.Environ(), shopVariable+"="+string(text), "GORACE=atexit_sleep_ms=0")
	c.Stderr = os.Stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		l.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		l.Fatal(err)
	}
	if err := c.Start(); err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { c.Process.Kill(); c.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		l.Fatalf("the shop says nothing: %v", err)
	}
	return &shop{c, strings.TrimSpace(line), stdin}
}

// stop tells the process to end, and waits until it has.
func (s *shop) stop(l *lab) {
	l.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		l.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		l.Errorf("a shop: %v", err)
	}
}

// street is the addresses of the processes that run.
type street struct {
	*lab
	shops atomic.Pointer[[]string]
	web   *http.Client
}

func (st *street) open(shops ...*shop) {
	var urls []string
	for _, s := range shops {
		urls = append(urls, s.url)
	}
	st.shops.Store(&urls)
}

// errClosed says that no process took a request.
var errClosed = errors.New("the shop is closed")

// traveller is a visitor with a browser, who comes again and again.
type traveller struct {
	st        *street
	name      string
	principal string            // from the switch on
	values    map[string]string // but visits
	oldCookie string
	oldID     string

	mu      sync.Mutex
	cookies map[string]string
	visits  int // answered
	unsure  int // not answered
}

// ask makes a request. It returns the token that the answer hands out.
func (v *traveller) ask(path string) (a shopAnswer, token string, err error) {
	urls := *v.st.shops.Load()
	req, err := http.NewRequestWithContext(v.st.Context(), http.MethodGet, urls[rand.IntN(len(urls))]+path, nil)
	if err != nil {
		return a, "", err
	}
	v.mu.Lock()
	for name, value := range v.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	v.mu.Unlock()
	res, err := v.st.web.Do(req)
	if err != nil {
		if errors.Is(err, syscall.ECONNREFUSED) {
			return a, "", errClosed
		}
		return a, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return a, "", err
	}
	v.mu.Lock()
	for _, c := range res.Cookies() {
		if c.Name == "session" {
			token = c.Value
		}
		if v.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		}
	}
	v.mu.Unlock()
	if res.StatusCode != http.StatusOK {
		v.st.Errorf("%s: %s: status %d: %s", v.name, path, res.StatusCode, body)
		return a, token, nil
	}
	return a, token, json.Unmarshal(body, &a)
}

// visit is a request that counts, by which the visitor finds everything as it was.
func (v *traveller) visit(isNew bool) (token string) {
	a, token, err := v.ask("/visit")
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case errors.Is(err, errClosed):
		v.mu.Unlock()
		<-time.After(10 * time.Millisecond) // the shop is being started on the same machine
		v.mu.Lock()
		return ""
	case err != nil:
		v.unsure++
		return ""
	}
	v.visits++
	if isNew && a.Principal != v.principal {
		v.st.Errorf("%s: signed in is %q, want %q", v.name, a.Principal, v.principal)
	}
	delete(a.Values, "visits")
	if !isNew {
		delete(a.Values, "id")
	}
	if got := v.st.compacted(a.Values); !maps.Equal(got, v.values) {
		v.st.Errorf("%s: the values are\n%q, want\n%q", v.name, got, v.values)
	}
	return token
}

func (l *lab) compacted(raw map[string]json.RawMessage) map[string]string {
	values := map[string]string{}
	for name, v := range raw {
		values[name] = compact(l, v)
	}
	return values
}

// arrive is the visitor's first requests at the new application, at one moment.
func (v *traveller) arrive() {
	const requests = 3
	var tokens [requests]string
	var all sync.WaitGroup
	for n := range tokens {
		all.Go(func() {
			for tokens[n] == "" && !v.st.Failed() {
				tokens[n] = v.visit(true)
			}
		})
	}
	all.Wait()
	for _, token := range tokens {
		if token != tokens[0] {
			v.st.Errorf("%s: the first requests got two tokens", v.name)
		}
	}
}

// TestImportOfARunningApplication: visitors keep all values but id, those who were signed
// in stay so, nobody is imported twice, and nobody who signs out comes back.
func TestImportOfARunningApplication(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("signals are those of Unix")
	}
	t.Parallel()
	l := newLab(t)
	documents := l.makeOldIndex()
	path := l.config("", "")
	task := shopTask{Old: true, Config: path, Documents: l.url + documents, Until: time.Now().Add(60 * 24 * time.Hour)}
	transport := &http.Transport{DisableKeepAlives: true}
	st := &street{lab: l, web: &http.Client{Transport: transport}}
	old := []*shop{l.startShop(task), l.startShop(task)}
	st.open(old...)

	var all []*traveller
	for _, s := range recordedSessions(t, 10) {
		l.call(http.MethodPut, documents+"/"+s.ID, s.Source)
		all = append(all, &traveller{
			st: st, name: s.Dancer + " " + s.Name, principal: strings.Trim(s.values(t)["user"], `"`), values: s.values(t),
			oldCookie: s.Value, oldID: s.ID, cookies: map[string]string{"dancer.session": url.QueryEscape(s.Value)},
		})
	}
	signer, err := dancer.NewSigner(oldSecret, 0)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 6 { // they come to the old application
		user := fmt.Sprint("user", n)
		v := &traveller{st: st, name: user, principal: user, values: map[string]string{"user": fmt.Sprintf("%q", user)}, cookies: map[string]string{}, visits: 1}
		if _, _, err := v.ask("/visit?user=" + user); err != nil {
			t.Fatal(err)
		}
		if v.oldCookie, err = url.QueryUnescape(v.cookies["dancer.session"]); err != nil {
			t.Fatal(err)
		}
		if v.oldID, err = signer.Verify(v.oldCookie); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}

	// The visitors go on, whatever is open. A visitor notices the switch by no answer.
	const each = 4 // visits before and after
	var before, after, going sync.WaitGroup
	closed := make(chan struct{})
	for _, v := range all {
		before.Add(1)
		after.Add(1)
		going.Go(func() {
			for n := 0; ; n++ {
				if n == each {
					before.Done()
				}
				select {
				case <-closed:
					if n < each {
						before.Done()
					}
					v.arrive()
					for range each {
						v.visit(true)
					}
					after.Done()
					return
				default:
					v.visit(false)
				}
			}
		})
	}
	before.Wait()
	for _, s := range old {
		s.stop(l)
	}
	close(closed)
	task.Old = false
	fresh := []*shop{l.startShop(task), l.startShop(task)}
	st.open(fresh...)
	after.Wait()
	going.Wait()
	if t.Failed() {
		return
	}
	for _, v := range all {
		v.wantKept()
	}
	l.wantNobodyTwice(all, documents, path)
	for _, s := range fresh {
		s.stop(l)
	}
}

// wantKept checks what became of a visitor's session.
func (v *traveller) wantKept() {
	t := v.st
	t.Helper()
	a, _, err := v.ask("/look")
	if err != nil {
		t.Fatal(err)
	}
	var visits int
	if err := json.Unmarshal(a.Values["visits"], &visits); err != nil || visits < v.visits || visits > v.visits+v.unsure {
		t.Errorf("%s: %d visits are kept, of %d that were answered and %d that weren't (%v)", v.name, visits, v.visits, v.unsure, err)
	}
	if _, there := v.cookies["dancer.session"]; there || v.cookies["session"] == "" {
		t.Errorf("%s: the old cookie is left, or there is no new one", v.name)
	}
	if t.left(v.oldID) {
		t.Errorf("%s: the old document is left", v.name)
	}
}

// wantNobodyTwice puts the old documents back, and checks that they bring nobody back who
// signed out, and make no second session of anybody else.
func (l *lab) wantNobodyTwice(all []*traveller, documents, path string) {
	l.Helper()
	a := l.open(path, importing())
	for n, v := range all {
		if out := n%3 == 0; out {
			if _, _, err := v.ask("/out"); err != nil {
				l.Fatal(err)
			}
		}
		source := fmt.Sprintf(`{"user":%q,"id":%q}`, v.principal, v.oldCookie)
		l.call(http.MethodPut, documents+"/"+v.oldID, source)
		for range 3 {
			again := &traveller{st: v.st, cookies: map[string]string{"dancer.session": url.QueryEscape(v.oldCookie)}}
			found, token, err := again.ask("/look")
			if err != nil || token != "" {
				l.Errorf("%s: the old cookie got a second token (%v)", v.name, err)
			}
			if n%3 == 0 && (found.Principal != "" || len(found.Values) > 0) {
				l.Errorf("%s: the old cookie brought one back who signed out: %v", v.name, found)
			}
		}
	}
	sessions, graves := 0, 0
	for _, d := range l.documents(l.index + "-imports") {
		switch string(d.members(l)["kind"]) {
		case `"session"`:
			sessions++
		case `"grave"`:
			graves++
		}
	}
	if out := (len(all) + 2) / 3; sessions != len(all)-out || graves != out {
		l.Errorf("of %d visitors, of whom %d signed out, there are %d sessions and %d graves", len(all), out, sessions, graves)
	}
	for n, v := range all {
		if v.principal == "" {
			continue
		}
		list, err := a.Admin().Sessions(l.Context(), v.principal)
		if want := min(n%3, 1); err != nil || len(list) != want {
			l.Errorf("%s has %d sessions (%v), want %d", v.principal, len(list), err, want)
		}
	}
}

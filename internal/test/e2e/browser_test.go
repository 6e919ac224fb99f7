package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestDemoInBrowser goes through the demo shop as two visitors with browsers of
// their own do, over a crash of the server.
func TestDemoInBrowser(t *testing.T) {
	program := buildDemo(t)
	addr := freeAddr(t)
	args := []string{"demo", "--addr", addr, "--store", "sqlite:" + filepath.Join(t.TempDir(), "demo.db")}
	home := t.TempDir()
	demo := startDemo(t, program, home, args)
	ann, bob := openBrowser(t), openBrowser(t)

	ann.visit("http://" + addr + "/")
	ann.wantText(".tag b", "1")
	ann.visit("http://" + addr + "/")
	ann.wantText(".tag b", "2")
	ann.click(`button[data-focus="add-trench"]`)
	ann.wantText("nav .count", "1")
	ann.click(`button[data-focus="more-trench"]`)
	ann.wantText("nav .count", "2")

	bob.visit("http://" + addr + "/")
	bob.wantText(".tag b", "1")
	bob.wantText("#cart .empty", "Empty hangers so far.")

	// A crash keeps everything. What a browser asks for meanwhile, such as the
	// page's icon, which it gets when it likes, is refused.
	ann.noComplaints()
	bob.noComplaints()
	if err := demo.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = demo.Wait()
	startDemo(t, program, home, args)
	for _, b := range []*browser{ann, bob} {
		b.visit("http://" + addr + "/")
		b.forgiveOutage()
	}
	ann.wantText("nav .count", "2")

	// Both sign in as the same person. The cart goes along; a token does not.
	ann.signIn("Ann")
	ann.wantText("#you .who", "Ann")
	ann.wantText("nav .count", "2")
	bob.signIn("Ann")
	bob.wantText("#you .who", "Ann")
	ann.visitDevices(addr)
	ann.wantText(".current .mark", "This device")
	ann.click(`button[value="end-all"]`)
	ann.do("waiting for the next page", chromedp.WaitReady(chromedp.CSS("div.said")))
	ann.wantText("h1", "Signed out everywhere")
	ann.visit("http://" + addr + "/")
	ann.wantText("#you h2", "Sign in")
	bob.visit("http://" + addr + "/")
	bob.wantText("#you h2", "Sign in")
	ann.noComplaints()
	bob.noComplaints()
}

// browser is a browser with cookies of its own.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu  sync.Mutex
	bad []string
}

func openBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	path := chromium(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(options, more...)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting %s: %v", path, err)
	}
	return watch(ctx, t)
}

// watch returns a browser that keeps what is complained of in its console, such as what a
// page's policy refuses.
func watch(ctx context.Context, t *testing.T) *browser {
	b := &browser{t: t, ctx: ctx}
	console, stop := context.WithCancel(ctx)
	messages := chromedp.Console(console)
	var reading sync.WaitGroup
	reading.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.IsException() {
				b.mu.Lock()
				b.bad = append(b.bad, m.Text+" "+m.URL)
				b.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() { stop(); reading.Wait() })
	return b
}

// chromium returns the browser, or ends the test where there is none.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const how = "no Chromium in PATH: install it (Debian: chromium)"
	if os.Getenv("CLOAKROOM_REQUIRE_BROWSER") == "1" {
		t.Fatal(how)
	}
	t.Skip("browser tests were SKIPPED: " + how)
	return ""
}

func (b *browser) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		page, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
		b.t.Fatalf("%s: %v; the page says:\n%s", what, err, page)
	}
}

func (b *browser) visit(url string) {
	b.t.Helper()
	b.do("opening "+url, chromedp.Navigate(url), chromedp.WaitReady(chromedp.CSS("#page")))
}

// visitDevices opens the page of devices.
func (b *browser) visitDevices(addr string) {
	b.t.Helper()
	b.do("opening the devices", chromedp.Navigate("http://"+addr+"/devices"), chromedp.WaitReady(chromedp.CSS(".devices")))
}

func (b *browser) click(button string) {
	b.t.Helper()
	b.do("clicking "+button, chromedp.Click(chromedp.CSS(button)))
}

func (b *browser) signIn(name string) {
	b.t.Helper()
	b.do("signing in", chromedp.SetValue(chromedp.CSS("#name"), name), chromedp.Click(chromedp.CSS(".signin button")))
}

// wantText waits until an element reads like this.
func (b *browser) wantText(element, want string) {
	b.t.Helper()
	b.until(element+" to read "+want, fmt.Sprintf(`document.querySelector(%q)?.textContent.trim() === %q`, element, want))
}

// noComplaints fails the test if there is anything in the browser's console.
func (b *browser) noComplaints() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.bad) > 0 {
		b.t.Errorf("the browser's console: %s", strings.Join(b.bad, "\n"))
	}
}

// forgiveOutage leaves out of account what failed so far because nobody was there to
// answer it.
func (b *browser) forgiveOutage() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bad = slices.DeleteFunc(b.bad, func(complaint string) bool {
		return strings.Contains(complaint, "net::ERR_CONNECTION_") || strings.Contains(complaint, "net::ERR_EMPTY_RESPONSE")
	})
}

// buildDemo builds the command as a user would.
func buildDemo(t *testing.T) string {
	t.Helper()
	chromium(t) // first, as building takes a while
	program := filepath.Join(t.TempDir(), "cloakroom")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/cloakroom")
	build.Dir = filepath.Join("..", "..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the command: %v\n%s", err, out)
	}
	return program
}

func startDemo(t *testing.T, program, home string, args []string) *exec.Cmd {
	t.Helper()
	return startDemoWithConsole(t, program, home, args).Cmd
}

// demo is a demo that is open.
type demo struct {
	*exec.Cmd
	t     *testing.T
	stdin io.Writer
	lines *bufio.Scanner
}

// startDemoWithConsole starts a demo whose console's link nobody has read yet.
func startDemoWithConsole(t *testing.T, program, home string, args []string) *demo {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME="+home)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	d := &demo{cmd, t, stdin, bufio.NewScanner(stdout)}
	d.line("The shop is open:")
	return d
}

// link returns the link of the operators' console that comes next.
func (d *demo) link() string {
	d.t.Helper()
	return d.line("Operators' console:")
}

// enter presses Enter in the demo's terminal.
func (d *demo) enter() {
	d.t.Helper()
	if _, err := io.WriteString(d.stdin, "\n"); err != nil {
		d.t.Fatal(err)
	}
}

// line waits for the line that begins so, and returns the rest of it.
func (d *demo) line(begin string) string {
	d.t.Helper()
	for d.lines.Scan() {
		if rest, ok := strings.CutPrefix(d.lines.Text(), begin); ok {
			return strings.TrimSpace(rest)
		}
	}
	d.t.Fatalf("the demo ended before it said %q", begin)
	return ""
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

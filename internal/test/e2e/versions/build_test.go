package versions

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const repository = "../../../.."

// buildPresent builds the command as it is now.
func buildPresent(t *testing.T) string {
	t.Helper()
	return build(t, repository)
}

// buildPinned builds the command of a commit, which has to be in the clone's
// history.
func buildPinned(t *testing.T, commit string) string {
	t.Helper()
	archive := exec.CommandContext(t.Context(), "git", "archive", "--format=tar", commit)
	archive.Dir = repository
	var tar, complaint bytes.Buffer
	archive.Stdout, archive.Stderr = &tar, &complaint
	if err := archive.Run(); err != nil {
		t.Fatalf("reading commit %s: %v: %s\nIt takes a clone with its whole history (git fetch --unshallow).", commit, err, &complaint)
	}
	source := t.TempDir()
	unpack := exec.CommandContext(t.Context(), "tar", "-x", "-C", source)
	unpack.Stdin = &tar
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("unpacking commit %s: %v\n%s", commit, err, out)
	}
	return build(t, source)
}

func build(t *testing.T, source string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "cloakroom")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/cloakroom")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the command: %v\n%s", err, out)
	}
	return program
}

// process is a command that serves the demo.
type process struct {
	t    *testing.T
	name string
	url  string
	cmd  *exec.Cmd
}

// start starts the demo on a store and waits until it is open. Processes that
// share a home share the keys.
func start(t *testing.T, name, program, home, store string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "demo", "--addr", "127.0.0.1:0", "--store", store)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME="+home)
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, name: name, cmd: cmd}
	t.Cleanup(p.stop)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if _, address, ok := strings.Cut(lines.Text(), "The shop is open:"); ok {
			p.url = strings.TrimSpace(address)
			go func() { _, _ = io.Copy(io.Discard, stdout) }() // until the process ends
			return p
		}
	}
	t.Fatalf("the %s demo ended before it was open", name)
	return nil
}

// stop ends the process. It may be called again.
func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// visitor is a client with cookies, which are sent to each process.
type visitor struct {
	t      *testing.T
	client *http.Client
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, &http.Client{
		Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// try sends a form and returns the status and the body of the answer.
func (v *visitor) try(p *process, path string, form url.Values) (int, []byte) {
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, p.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, []byte(err.Error())
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.send(r)
}

// send returns the status and the body of a request's answer; 0 and an error's text
// if there is none.
func (v *visitor) send(r *http.Request) (int, []byte) {
	resp, err := v.client.Do(r)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return resp.StatusCode, body
}

// post is try of what has to succeed. It returns the answer's object, if it is one.
func (v *visitor) post(p *process, path string, form url.Values) map[string]any {
	v.t.Helper()
	status, body := v.try(p, path, form)
	return v.object(p, path, status, body)
}

func (v *visitor) session(p *process) map[string]any {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, p.url+"/api/session", nil)
	if err != nil {
		v.t.Fatal(err)
	}
	status, body := v.send(r)
	return v.object(p, "/api/session", status, body)
}

func (v *visitor) object(p *process, path string, status int, body []byte) (answer map[string]any) {
	v.t.Helper()
	if status < 200 || status >= 400 {
		v.t.Fatalf("%s of the %s process: %d %s", path, p.name, status, body)
	}
	if bytes.HasPrefix(body, []byte("{")) {
		if err := json.Unmarshal(body, &answer); err != nil {
			v.t.Fatalf("%s: %v", body, err)
		}
	}
	return answer
}

// count adds one, and wants to be told a number.
func (v *visitor) count(p *process, want int) {
	v.t.Helper()
	if got := v.post(p, "/api/incr", url.Values{"key": {"n"}})["value"]; got != float64(want) {
		v.t.Errorf("the %s process counts %v, want %d", p.name, got, want)
	}
}

// counted checks who is signed in, and returns the count.
func (v *visitor) counted(p *process, principal string) int {
	v.t.Helper()
	state := v.session(p)
	values, _ := state["values"].(map[string]any)
	n, _ := values["n"].(float64)
	if state["principal"] != principal {
		v.t.Errorf("at the %s process %q is signed in, want %q", p.name, state["principal"], principal)
	}
	return int(n)
}

// wants checks who is signed in, and the count; "" and 0: nobody, and none.
func (v *visitor) wants(p *process, principal string, n int) {
	v.t.Helper()
	if got := v.counted(p, principal); got != n {
		v.t.Errorf("at the %s process the count is %d, want %d", p.name, got, n)
	}
}

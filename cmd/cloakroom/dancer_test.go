package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/dancer"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file tests "cloakroom dancer config" and "cloakroom dancer verify".

// secretText is signing.secret in the module's documentation, and in these tests.
const secretText = "ldjaldjaklsdanm.m"

// command runs a command with an input.
func command(t *testing.T, input string, args ...string) (exit int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	exit = run(t.Context(), args, strings.NewReader(input), &out, &err)
	return exit, out.String(), err.String()
}

// noDancerVariables removes Dancer's variables from the environment.
func noDancerVariables(t *testing.T) {
	t.Helper()
	noVariables(t)
}

// objects reads lines of JSON, and checks that the last, and no other, has the type
// "result".
func objects(t *testing.T, text string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(text) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if kind, _ := v["type"].(string); kind == "" {
			t.Errorf("there is no type in %q", line)
		}
		all = append(all, v)
	}
	for i, v := range all {
		if last := i == len(all)-1; (v["type"] == "result") != last {
			t.Errorf("object %d of %d has the type %v", i+1, len(all), v["type"])
		}
	}
	if len(all) == 0 {
		t.Fatal("there is no result")
	}
	return all
}

// archive unpacks a text of files, each behind a line "-- NAME --", into a folder.
func archive(t *testing.T, path, folder string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	name, files := "", map[string]string{}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok && strings.HasSuffix(n, " --") {
			name = filepath.Join(folder, filepath.FromSlash(strings.TrimSuffix(n, " --")))
		}
		if !strings.HasPrefix(line, "-- ") {
			files[name] += line
		}
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDancerConfigs runs every configuration that package dancer is tested with. People
// and programs are told the same, and never the secret.
func TestDancerConfigs(t *testing.T) {
	noDancerVariables(t)
	cases, err := filepath.Glob("../../dancer/testdata/config/*.txt")
	if err != nil || len(cases) < 20 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, c := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(c), ".txt"), func(t *testing.T) {
			folder := t.TempDir()
			archive(t, c, folder)
			path := filepath.Join(folder, "config.yml")
			config, loading := dancer.LoadConfig(path, nil)
			want := exitOK
			if loading != nil {
				want = exitFailed
			}

			exit, stdout, stderr := command(t, "", "dancer", "config", path)
			if exit != want || (stdout == "") != (loading != nil) || (stderr == "") != (loading == nil) {
				t.Errorf("exit %d, want %d\n%s\n%s", exit, want, stdout, stderr)
			}
			told := stdout + stderr

			exit, stdout, stderr = command(t, "", "dancer", "config", path, "--json")
			if exit != want || stderr != "" {
				t.Errorf("exit %d, want %d\n%s", exit, want, stderr)
			}
			all := objects(t, stdout)
			count := map[any]int{}
			for _, v := range all {
				count[v["type"]]++
				if kind := v["type"]; kind != "warning" && kind != "error" {
					continue
				}
				if text := v["text"].(string); !strings.Contains(told, human.Printable(text)) {
					t.Errorf("people aren't told %q", text)
				}
				if line, ok := v["line"].(float64); ok && line > 0 && !strings.Contains(told, fmt.Sprintf(", line %v", line)) {
					t.Errorf("people aren't told of line %v", line)
				}
			}
			result := all[len(all)-1]
			if result["ok"] != (loading == nil) || result["warnings"] != float64(count["warning"]) || result["errors"] != float64(count["error"]) {
				t.Errorf("%v after %v", result, count)
			}
			if loading == nil && (count["warning"] != len(config.Warnings) || count["config"] != 1 || count["go"] != 1) {
				t.Errorf("%v, and %d warnings were to be told", count, len(config.Warnings))
			}
			if strings.Contains(told+stdout, secretText) {
				t.Errorf("the secret is shown:\n%s\n%s", told, stdout)
			}
		})
	}
}

// TestGoCodeCompiles: the Go code that is told compiles.
func TestGoCodeCompiles(t *testing.T) {
	noDancerVariables(t)
	for _, c := range [][]string{{"usage.yml"}, {"full.yml"}, {"full.yml", "--environment", "development"}, {"logins.yml"}} {
		t.Run(strings.Join(c, " "), func(t *testing.T) {
			args := append([]string{"dancer", "config", "--json", filepath.Join("testdata", "dancer", c[0])}, c[1:]...)
			_, stdout, _ := command(t, "", args...)
			all := objects(t, stdout)
			code, _ := all[len(all)-2]["code"].(string)
			path := filepath.Join(t.TempDir(), "sessions.go")
			if err := os.WriteFile(path, []byte(code+"\nfunc main() {}\n\nvar _ = openSessions\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), "go", "vet", path).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s\n%s", err, out, code)
			}
		})
	}
}

// TestGoCodeIsComplete: the Go code that is told has every setting.
func TestGoCodeIsComplete(t *testing.T) {
	noDancerVariables(t)
	for _, file := range []string{"usage.yml", "full.yml", "logins.yml"} {
		config, err := dancer.LoadConfig(filepath.Join("testdata", "dancer", file), nil)
		if err != nil {
			t.Fatal(err)
		}
		code, err := goCode(config)
		if err != nil {
			t.Fatal(err)
		}
		manager, store := config.ManagerConfig(), config.StoreConfig()
		for _, settings := range []any{manager, manager.Transport, store} {
			v := reflect.ValueOf(settings)
			for i := range v.NumField() {
				f := v.Type().Field(i)
				isSet := !v.Field(i).IsZero() || f.Type == reflect.TypeFor[cloakroom.SaveMode]()
				if f.IsExported() && isSet != strings.Contains(code, "\t"+f.Name+":") {
					t.Errorf("%s: is %s.%s set? %v\n%s", file, v.Type(), f.Name, isSet, code)
				}
			}
		}
	}
}

func TestGoDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Hour: "time.Hour", 336 * time.Hour: "336 * time.Hour", 90 * time.Minute: "90 * time.Minute",
		5 * time.Second: "5 * time.Second", 1500 * time.Millisecond: "1500 * time.Millisecond",
	} {
		if got := goDuration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{48 * time.Hour: "2d", 36 * time.Hour: "36h", 90 * time.Minute: "90m", 90 * time.Second: "1m30s"} {
		if got := span(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// runVerify runs "dancer verify" with the documented secret and length.
func runVerify(t *testing.T, input string, flags ...string) (exit int, stdout, stderr string) {
	t.Helper()
	noDancerVariables(t)
	t.Setenv(secretVariable, secretText)
	return command(t, input, append([]string{"dancer", "verify"}, flags...)...)
}

// TestVerifyRecorded verifies the recorded values that the old module signed.
func TestVerifyRecorded(t *testing.T) {
	text, err := os.ReadFile("../../dancer/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct {
		Signing []struct {
			Secret, Value, ID string
			Length            int
		}
	}
	if err := json.Unmarshal(text, &recorded); err != nil || len(recorded.Signing) < 20 {
		t.Fatalf("%d cases, %v", len(recorded.Signing), err)
	}
	file := filepath.Join(t.TempDir(), "secret")
	for _, v := range recorded.Signing {
		if v.Secret == "" || v.Length == 0 {
			continue // refused here, or never verified by the old module
		}
		if err := os.WriteFile(file, []byte(v.Secret), 0o600); err != nil {
			t.Fatal(err)
		}
		encoded := new(strings.Builder)
		for _, c := range []byte(v.Value) {
			fmt.Fprintf(encoded, "%%%02x", c)
		}
		exit, stdout, stderr := runVerify(t, v.Value+"\n"+encoded.String()+"\n", "--secret-file", file, "--length", fmt.Sprint(v.Length))
		if want := fmt.Sprintf("line 1: id %q\nline 2: id %[1]q\n", v.ID); exit != exitOK || stdout != want {
			t.Errorf("%+v: exit %d\n%s\n%s", v, exit, stdout, stderr)
		}
	}
}

// TestVerifySecretFileWithBOM: a secret's file may begin with a byte order mark.
func TestVerifySecretFileWithBOM(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("\ufeff"+secretText+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	exit, stdout, stderr := runVerify(t, "f49cb62faf84ospJPzsMt4hHBaIB85E4Kglfp2y8\n", "--secret-file", file)
	if exit != exitOK || stdout != "line 1: id \"t4hHBaIB85E4Kglfp2y8\"\n" {
		t.Errorf("exit %d\n%s\n%s", exit, stdout, stderr)
	}
}

// TestDancerConfigWarnings: warnings are told beside errors, and an environment's name
// stays in its line.
func TestDancerConfigWarnings(t *testing.T) {
	noDancerVariables(t)
	path := filepath.Join(t.TempDir(), "config.yml")
	write := func(name string) {
		text := "session: ElasticSearch\nsession_options:\n  signing:\n    " + name + ": " + secretText + "\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("secert")
	for _, args := range [][]string{{"dancer", "config", path}, {"dancer", "verify", "--config", path}} {
		exit, stdout, stderr := command(t, "", args...)
		if exit != exitFailed || stdout != "" || !strings.Contains(stderr, "line 4 has secert") ||
			!strings.Contains(stderr, "\nWarning: "+path+", line 4: session_options.signing.secert is no setting") || strings.Contains(stderr, secretText) {
			t.Errorf("%q: exit %d\n%s\n%s", args, exit, stdout, stderr)
		}
		_, stdout, _ = command(t, "", append(args, "--json")...)
		if all := objects(t, stdout); len(all) != 3 || all[0]["type"] != "error" || all[1]["type"] != "warning" || all[1]["line"] != 4.0 {
			t.Errorf("%q: %s", args, stdout)
		}
	}
	write("secret")
	exit, stdout, _ := command(t, "", "dancer", "config", path, "--environment", "a\nServer: b\x1b")
	if exit != exitOK || !strings.HasPrefix(stdout, "Environment:  \"a\\nServer: b\\x1b\"\n") || strings.Contains(stdout, "\nServer: b") {
		t.Errorf("exit %d\n%s", exit, stdout)
	}
	if !strings.Contains(stdout, "Warning: "+path+": environment is ") {
		t.Errorf("the missing file isn't told:\n%s", stdout)
	}
}

// TestVerifyLines verifies lines of all kinds.
func TestVerifyLines(t *testing.T) {
	const value, id = "f49cb62faf84ospJPzsMt4hHBaIB85E4Kglfp2y8", "t4hHBaIB85E4Kglfp2y8"
	signer, err := dancer.NewSigner(secretText, 0)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(id string) string {
		v, err := signer.Sign(id)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	long := strings.Repeat("f", 3*maxLine)
	for name, c := range map[string]struct{ input, want, json string }{
		"no line end":     {value, `id "` + id + `"`, `"id":"` + id + `"`},
		"CR LF":           {value + "\r\n", `id "` + id + `"`, `"id":"` + id + `"`},
		"NUL at the end":  {value + "\x00\n", `id "` + id + `"`, `"id":"` + id + `"`},
		"NUL inside":      {value[:30] + "\x00" + value[30:] + "\n", "refused: the signature", `"reason":"the signature`},
		"only NUL":        {"\x00\n", "refused: it is too short", `"reason":"it is too short`},
		"empty":           {"\n", "refused: it is empty", `"reason":"it is empty"`},
		"empty, CR LF":    {"\r\n", "refused: it is empty", `"reason":"it is empty"`},
		"long":            {long + "\n", "refused: it is longer than 65536 bytes", `"reason":"it is longer`},
		"long to the end": {long, "refused: it is longer than 65536 bytes", `"reason":"it is longer`},
		"a long id":       {sign(long[:5000]) + "\n", `id "` + long[:5000], `"id":"ffff`},
		"terminal codes":  {sign("a\x1b[31m\u202eb") + "\n", `id "a\x1b[31m\u202eb"`, `"id":"a\u001b[31m\u202eb"`},
		"beyond the BMP":  {sign("\U000e0001") + "\n", `id "\U000e0001"`, `"id":"\udb40\udc01"`},
		"not UTF-8":       {sign("a\xff\x80b") + "\n", `id "a\xff\x80b"`, `"idBase64":"Yf+AYg=="`},
		"plain with a %":  {sign("a%41b") + "\n", `id "a%41b"`, `"id":"a%41b"`},
		"half encoded":    {value + "%2", "refused: the signature", `"reason":"the signature`},
		"encoded LF":      {value + "%0A%00", `id "` + id + `"`, `"id":"` + id + `"`},
		"no id":           {value[:20] + "%20", "refused: the signature", `"reason":"the signature`},
		"a whole header":  {"dancer.session=" + value + "; theme=dark", "refused: it has a ; or space inside: give the value alone", `"reason":"it has a ;`},
		"a space inside":  {value[:12] + " " + value[12:], "refused: it has a ; or space inside", `"reason":"it has a ;`},
		"space in an id":  {sign("a b;c") + "\n", `id "a b;c"`, `"id":"a b;c"`},
		"latin 1 hash":    {"\xe9" + value, "refused: it doesn't begin", `"reason":"it doesn't begin`},
	} {
		t.Run(name, func(t *testing.T) {
			// The line stands behind a good one, so that lines and answers stay in step.
			_, stdout, _ := runVerify(t, value+"\n"+c.input)
			lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
			if len(lines) != 2 || lines[0] != `line 1: id "`+id+`"` || !strings.HasPrefix(lines[1], "line 2: "+c.want) {
				t.Errorf("%q", lines)
			}
			_, stdout, stderr := runVerify(t, value+"\n"+c.input, "--json")
			if all := objects(t, stdout); len(all) != 3 || stderr != "" || !strings.Contains(stdout, c.json) {
				t.Errorf("%s\n%s", stdout, stderr)
			}
			if strings.ContainsFunc(stdout, func(r rune) bool { return r == 0x1b || r == 0x202e || r == 0xe0001 }) {
				t.Errorf("terminals may obey %q", stdout)
			}
		})
	}
}

// TestVerifyStream: a hundred thousand lines are answered while they arrive.
func TestVerifyStream(t *testing.T) {
	noDancerVariables(t)
	t.Setenv(secretVariable, secretText)
	signer, err := dancer.NewSigner(secretText, 0)
	if err != nil {
		t.Fatal(err)
	}
	const n = 100_000
	in, toCommand := io.Pipe()
	fromCommand, out := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		var stderr bytes.Buffer
		exit := run(t.Context(), []string{"dancer", "verify", "--json"}, in, out, &stderr)
		out.Close()
		ended <- exit
	}()
	answers := bufio.NewScanner(fromCommand)
	ask := func(id string) {
		value, err := signer.Sign(id)
		if err != nil {
			t.Error(err)
		}
		io.WriteString(toCommand, value+"\n")
	}
	ask("first") // its answer doesn't wait for more lines
	if !answers.Scan() || answers.Text() != `{"type":"value","line":1,"ok":true,"id":"first"}` {
		t.Fatalf("%q %v", answers.Text(), answers.Err())
	}
	go func() {
		for i := 2; i <= n; i++ {
			ask(fmt.Sprint(i))
		}
		toCommand.Close()
	}()
	i := 2
	for ; answers.Scan() && i <= n; i++ {
		if want := fmt.Sprintf(`{"type":"value","line":%d,"ok":true,"id":"%[1]d"}`, i); answers.Text() != want {
			t.Fatalf("%q, want %q", answers.Text(), want)
		}
	}
	if want := fmt.Sprintf(`{"type":"result","ok":true,"exit":0,"verified":%d,"refused":0}`, n); answers.Text() != want || i != n+1 {
		t.Errorf("%q, want %q", answers.Text(), want)
	}
	if exit := <-ended; exit != exitOK || answers.Scan() {
		t.Errorf("exit %d, %q", exit, answers.Text())
	}
}

// TestVerifyStopped: a command that is stopped doesn't say that all was verified.
func TestVerifyStopped(t *testing.T) {
	for _, flag := range []string{"", "--json"} {
		noDancerVariables(t)
		t.Setenv(secretVariable, secretText)
		ctx, cancel := context.WithCancel(t.Context())
		in, toCommand := io.Pipe()
		stdout := &watcher{word: "t4hHBaIB85E4Kglfp2y8", found: cancel}
		stderr := &watcher{}
		go io.WriteString(toCommand, "f49cb62faf84ospJPzsMt4hHBaIB85E4Kglfp2y8\n")
		if exit := run(ctx, strings.Fields("dancer verify "+flag), in, stdout, stderr); exit != exitInterrupted {
			t.Errorf("exit %d\n%s\n%s", exit, stdout, stderr)
		}
		toCommand.Close() // ends the read under way
		if flag == "" {
			if want := "cloakroom: after 1 verified and 0 refused: stopped before the end of the standard input\n"; stderr.String() != want {
				t.Errorf("%q, want %q", stderr, want)
			}
			continue
		}
		all := objects(t, stdout.String())
		if last := all[len(all)-1]; last["ok"] != false || last["verified"] != 1.0 || all[len(all)-2]["type"] != "error" {
			t.Errorf("%v", all)
		}
	}
}

// TestVerifyBrokenInput: a read error on standard input isn't taken for its end.
func TestVerifyBrokenInput(t *testing.T) {
	noDancerVariables(t)
	t.Setenv(secretVariable, secretText)
	in, toCommand := io.Pipe()
	go func() {
		io.WriteString(toCommand, "f49cb62faf84ospJPzsMt4hHBaIB85E4Kglfp2y8\nf49")
		toCommand.CloseWithError(io.ErrUnexpectedEOF)
	}()
	var stdout, stderr bytes.Buffer
	if exit := run(t.Context(), []string{"dancer", "verify"}, in, &stdout, &stderr); exit != exitFailed || !strings.Contains(stderr.String(), "unexpected EOF") {
		t.Errorf("exit %d\n%s\n%s", exit, &stdout, &stderr)
	}
	if want := "line 1: id \"t4hHBaIB85E4Kglfp2y8\"\n"; stdout.String() != want {
		t.Errorf("%q, want %q", &stdout, want)
	}
}

// FuzzVerify: each line is answered, refused values are not repeated, and both outputs
// agree.
func FuzzVerify(f *testing.F) {
	f.Add("f49cb62faf84ospJPzsMt4hHBaIB85E4Kglfp2y8\r\n\n%41\x00")
	f.Fuzz(func(t *testing.T, input string) {
		lines := strings.Split(input, "\n")
		if lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1]
		}
		_, text, _ := runVerify(t, input)
		exit, stdout, stderr := runVerify(t, input, "--json")
		all := objects(t, stdout)
		if len(all) != len(lines)+1 || strings.Count(text, "\n") != len(lines) || stderr != "" {
			t.Fatalf("%d lines, answers are\n%s\n%s\n%s", len(lines), text, stdout, stderr)
		}
		refused := 0
		for i, line := range lines {
			if all[i]["line"] != float64(i+1) {
				t.Errorf("line %d is answered by %v", i+1, all[i])
			}
			if all[i]["ok"] == true {
				continue
			}
			refused++
			if reason := all[i]["reason"].(string); len(line) > 20 && strings.Contains(reason, line) {
				t.Errorf("%q repeats the value", reason)
			}
		}
		if (exit == exitOK) != (refused == 0) {
			t.Errorf("exit %d with %d refused", exit, refused)
		}
	})
}

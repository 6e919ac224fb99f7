package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/manual"
)

// This file tests completion scripts in the shells themselves, where they are installed,
// and the page for man.

// script writes a shell's script to a file.
func script(t *testing.T, shell string) string {
	t.Helper()
	exit, stdout, stderr := command(t, "", "completion", shell)
	if exit != exitOK || stderr != "" {
		t.Fatalf("exit %d: %s", exit, stderr)
	}
	file := filepath.Join(t.TempDir(), "completion")
	if err := os.WriteFile(file, []byte(stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// shellLines runs a shell, and returns the lines that it prints.
func shellLines(t *testing.T, name string, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_CONFIG_HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.Fields(string(out))
}

// TestBashCompletes: bash completes commands, flags and their values. The last word is the
// one to complete.
func TestBashCompletes(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash")
	}
	file := script(t, "bash")
	folder := t.TempDir()
	for _, name := range []string{"config.yml", "other.yml"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const run = `source "$1"; shift; complete -p cloakroom >/dev/null || exit 1
COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _cloakroom; printf '%s\n' "${COMPREPLY[@]}"`
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"de"}, "demo"},
		{[]string{"dancer", ""}, "config verify status purge --help --json --no-progress"},
		{[]string{"--json", "dancer", "p"}, "purge"},
		{[]string{"dancer", "purge", "--y"}, "--yes"},
		{[]string{"dancer", "purge", "--config", folder + "/c"}, folder + "/config.yml"},
		{[]string{"dancer", "purge", "--config", "=", folder + "/o"}, folder + "/other.yml"}, // as bash cuts --config=
		{[]string{"dancer", "purge", "--config", "x.yml", "--i"}, "--index"},
		{[]string{"dancer", "verify", "--length", ""}, ""},
		{[]string{"dancer", "verify", "--length", "=", "10", "--sec"}, "--secret-file"},
		{[]string{"dancer", "config", folder + "/"}, folder + "/config.yml " + folder + "/other.yml"},
		{[]string{"dancer", "config", "--env"}, "--environment"},
		{[]string{"completion", ""}, "bash zsh fish --help --json --no-progress"},
		{[]string{"ls", "--state", ""}, "live expired ended all"},
		{[]string{"ls", "--order", "=", "n"}, "newest"},
		{[]string{"ledger", "re"}, "rebuild"},
		{[]string{"ledger", "check", "--princ"}, "--principal"},
		{[]string{"key", "new", folder + "/c"}, folder + "/config.yml"},
		{[]string{"nonsense", "--no"}, "--no-progress"},
		{[]string{"version", "--", ""}, ""},
	} {
		got := shellLines(t, "bash", append([]string{"--norc", "-c", run, "bash", file, "cloakroom"}, c.words...)...)
		want := strings.Fields(c.want)
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", c.words, got, want)
		}
	}
}

// TestFishCompletes: the same for fish.
func TestFishCompletes(t *testing.T) {
	file := script(t, "fish")
	if _, err := exec.LookPath("fish"); err != nil {
		checkText(t, file, "complete -c cloakroom -f\n", "-n '__fish_use_subcommand' -a demo -d 'A small shop to look behind: sessions, and what they cost'\n",
			"-n '__fish_seen_subcommand_from dancer; and __fish_seen_subcommand_from purge' -l config -r -F -d 'The application\\'s config.yml'\n")
		return
	}
	for line, want := range map[string]string{
		"cloakroom de":                       "demo",
		"cloakroom dancer pu":                "purge",
		"cloakroom dancer verify --sec":      "--secret-file",
		"cloakroom completion f":             "fish",
		"cloakroom dancer purge --config /d": "/dev/",
	} {
		got := shellLines(t, "fish", "-c", "source $argv[1]; complete -C$argv[2]", file, line)
		if len(got) == 0 || got[0] != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

// TestZshCompletes: zsh understands its script.
func TestZshCompletes(t *testing.T) {
	file := script(t, "zsh")
	checkText(t, file, "#compdef cloakroom\n", "\t\t\t'demo:A small shop to look behind: sessions, and what they cost'\n",
		"\t\t'--config=[The application'\\''s config.yml]:FILE:_files'", "\t\tdancer) _cloakroom_dancer ;;\n")
	if _, err := exec.LookPath("zsh"); err != nil {
		return
	}
	const run = `autoload -U compinit; compinit -u -D; source $1; print $_comps[cloakroom] $+functions[_cloakroom_dancer_purge]`
	if got := shellLines(t, "zsh", "-f", "-c", run, "zsh", file); !slices.Equal(got, []string{"_cloakroom", "1"}) {
		t.Errorf("%q", got)
	}
}

// checkText checks that a file has texts in it.
func checkText(t *testing.T, file string, texts ...string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range texts {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

// TestMan: the page has every command, and man understands it.
func TestMan(t *testing.T) {
	exit, stdout, stderr := command(t, "", "man")
	if exit != exitOK || stderr != "" {
		t.Fatalf("exit %d: %s", exit, stderr)
	}
	for _, n := range model(t).Leaves(true) {
		if !strings.Contains(stdout, `.SS "cloakroom `+strings.ReplaceAll(strings.Join(path(n), " "), "-", `\-`)) {
			t.Errorf("%s is missing", n.Name)
		}
	}
	if _, err := exec.LookPath("groff"); err != nil {
		return
	}
	cmd := exec.CommandContext(t.Context(), "groff", "-man", "-ww", "-Tutf8")
	cmd.Stdin = strings.NewReader(stdout)
	var problems strings.Builder
	cmd.Stderr = &problems
	if out, err := cmd.Output(); err != nil || problems.Len() > 0 || len(out) == 0 {
		t.Errorf("%v: %s", err, problems.String())
	}
}

// TestShells: no other shell is known.
func TestShells(t *testing.T) {
	for _, shell := range manual.Shells {
		if _, err := manual.Completion(shell, model(t)); err != nil {
			t.Error(err)
		}
	}
	if _, err := manual.Completion("powershell", model(t)); err == nil {
		t.Error("powershell is known")
	}
}

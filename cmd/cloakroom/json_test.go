package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// This file holds the answers in JSON, which programs read, to testdata/json.golden.

// goldenCommands are run one after the other, on the sessions of shop_test.go.
var goldenCommands = []string{
	"version", "ls", "ls --state all --order oldest", "ls --state ended --limit 1", "ls --limit 2", "ls --limit 2 --after nonsense",
	"show $ANN1", "show --values $ANN2", "show $CAROL", "show $EVE", "show AaCGUF5AAlI9brXgbqNiHQ",
	"top --limit 2", "stats --exact", "doctor --manager --cookie-domain example.com", "doctor --key-file $HOME/none", "doctor --fix --acknowledge --yes",
	"setup --dry-run", "setup", "ledger check", "ledger rebuild --all --dry-run", "ledger rebuild --principal ann",
	"revoke --principal ann --dry-run", "revoke --agent curl --yes", "revoke $BOB $GUEST AaCGUF5AAlI9brXgbqNiHQ --yes", "revoke --principal ann",
	"sweep --dry-run", "sweep", "sweep --store sqlite:$HOME/none.db",
	"copy --from sqlite:$HOME/shop.db --to sqlite:$HOME/copy.db", "compare --from sqlite:$HOME/shop.db --to sqlite:$HOME/copy.db",
	"copy --from sqlite:$HOME/shop.db --to sqlite:$HOME/copy.db --cut --yes", "copy --from sqlite:$HOME/copy.db --to sqlite:$HOME/shop.db",
	"copy --from sqlite:$HOME/shop.db --unfence", "compare --from sqlite:$HOME/none.db --to sqlite:$HOME/copy.db",
	"token inspect", "token inspect --key-file $KEYS",
	"key new $HOME/new.keys", "key rotate $HOME/new.keys", "key rotate --sign --dry-run $HOME/new.keys", "key rotate --drop --yes $HOME/new.keys",
	"nonsense", "ls --nonsense",
}

// normal takes what differs from run to run out of an answer.
var normal = []struct {
	is   *regexp.Regexp
	text string
}{
	{regexp.MustCompile(`20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?( UTC|Z)`), "TIME"},
	{regexp.MustCompile(`"(seconds|held)":[\d.e-]+`), `"$1":N`},
	{regexp.MustCompile(`"(version|go|system|revision)":"[^"]*"`), `"$1":"X"`},
	{regexp.MustCompile(`,"modified":true|,"revision":"X"`), ""},
	{regexp.MustCompile(`SQLite \d[\d.]*`), "SQLite N"},
	{regexp.MustCompile(`"after":"[^"]*"`), `"after":"CURSOR"`},
	{regexp.MustCompile(`"value":"[\d.]+ (bytes|[KM]iB)"`), `"value":"SIZE"`},
	{regexp.MustCompile(`made \d+[smh] ago`), "made AGO ago"},
	{regexp.MustCompile(`"hint":"[0-9a-f]{2}"`), `"hint":"HH"`},
	{regexp.MustCompile(`the key [0-9a-f]{2}`), "the key HH"},
}

func TestJSON(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("paths and messages of the system are those of Unix")
	}
	noVariables(t)
	home := t.TempDir()
	keys, token := signedToken(t, home)
	ids := fileShop(t, filepath.Join(home, "shop.db"), true)
	t.Setenv("CLOAKROOM_STORE", "sqlite:"+filepath.Join(home, "shop.db"))
	var names, back []string
	for name, id := range ids {
		names, back = append(names, "$"+name, id.String()), append(back, id.String(), name)
	}
	fill := strings.NewReplacer(append(names, "$HOME", home, "$KEYS", keys)...)
	hide := strings.NewReplacer(append(back, home, "HOME")...)
	var b strings.Builder
	for _, args := range goldenCommands {
		exit, stdout, stderr := command(t, token+"\n", append(strings.Fields(fill.Replace(args)), "--json")...)
		objects(t, stdout)
		text := hide.Replace(stdout)
		for _, n := range normal {
			text = n.is.ReplaceAllString(text, n.text)
		}
		text = regexp.MustCompile(`"id":"A[\w-]{21}"`).ReplaceAllString(text, `"id":"ID"`) // of the token
		fmt.Fprintf(&b, "$ cloakroom %s\n%s", args, text)
		if stderr != "" || strings.Contains(text, token) {
			t.Errorf("%s: exit %d\n%s%s", args, exit, text, stderr)
		}
	}
	const file = "testdata/json.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, wanted := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(got), len(wanted)) {
		if i >= len(got) || i >= len(wanted) || got[i] != wanted[i] {
			t.Fatalf("line %d of %s differs: programs read these answers.\ngot  %s\nwant %s\nIf that is meant: go test ./cmd/cloakroom -run TestJSON -update", i+1, file, at(got, i), at(wanted, i))
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(the end)"
}

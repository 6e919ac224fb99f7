package dancer

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file tests the reading of a config.yml.

var update = flag.Bool("update", false, "write what comes out into testdata/config")

// archive splits a text into files, each behind a line "-- NAME --".
func archive(text string) map[string]string {
	files, name := map[string]string{}, ""
	for line := range strings.Lines(text) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok && strings.HasSuffix(n, " --") {
			name = strings.TrimSuffix(n, " --")
			files[name] = ""
			continue
		}
		files[name] += line
	}
	return files
}

// loadFiles loads config.yml of some files in memory.
func loadFiles(files, env map[string]string, environment string) (*Config, error) {
	return load("config.yml", LoadOptions{Environment: environment}, func(name string) string { return env[name] },
		func(path string) ([]byte, error) {
			text, ok := files[filepath.ToSlash(path)]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			return []byte(text), nil
		})
}

func loadText(text string) (*Config, error) {
	return loadFiles(map[string]string{"config.yml": text}, nil, "")
}

// printed returns a Config as text.
func printed(c *Config, err error) string {
	b := new(strings.Builder)
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintf(b, "error: %s\n", line)
		}
		return b.String()
	}
	fmt.Fprintf(b, "environment: %s, of %s\n", c.Environment, strings.Join(c.Files, " and "))
	fmt.Fprintf(b, "servers: %s\n", strings.Join(c.Servers, " "))
	if urls := c.ClientConfig().URLs; !slices.Equal(urls, c.Servers) {
		fmt.Fprintf(b, "with logins: %s\n", strings.Join(urls, " "))
	}
	fmt.Fprintf(b, "timeout: %v\nindex: %s\ntype: %s\nlazy: %v\n", c.Timeout, c.Index, c.Type, c.Lazy)
	fmt.Fprintf(b, "signing: length %d, hash of id with salt: %s\n", c.Signer().Length(), c.Signer().Hash("id", "salt"))
	fmt.Fprintf(b, "cookie: %+v\n", c.Cookie)
	for _, w := range c.Warnings {
		fmt.Fprintf(b, "warning: %v\n", w)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/config/*.txt")
	if err != nil || len(cases) < 20 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files := archive(string(text))
			env := map[string]string{}
			for line := range strings.Lines(files["env"]) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				env[name] = value
			}
			got := printed(loadFiles(files, env, strings.TrimSpace(files["option"])))
			if *update {
				before, _, _ := strings.Cut(string(text), "-- want --\n")
				if err := os.WriteFile(path, []byte(before+"-- want --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := files["want"]; got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

const usage = `session:       "ElasticSearch"
session_options:
  connection:
  ... settings to pass to ElasticSearch
  index: "my_index"               # defaults to "session"
  type:  "my_session"             # defaults to "session"
  signing:
      secret: "ldjaldjaklsdanm.m" # required for signing IDs
      length: 10                  # length of the salt and hash. defaults to 10
  is_lazy:    0                   # (off by default)
`

// TestUsage: the text of the module's documentation is read. The client's settings
// replace its placeholder, or stand below connection.
func TestUsage(t *testing.T) {
	for _, line := range []string{`  servers: "127.0.0.1:9200"`, `    servers: "127.0.0.1:9200"`} {
		c, err := loadText(strings.Replace(usage, "  ... settings to pass to ElasticSearch", line, 1))
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Warnings) > 0 {
			t.Errorf("%q: %v", line, c.Warnings)
		}
		if !slices.Equal(c.Servers, []string{"http://127.0.0.1:9200"}) || c.Index != "my_index" || c.Type != "my_session" || c.Lazy ||
			c.Signer().Hash("id", "salt") != hash([]byte("ldjaldjaklsdanm.m"), 10, "id", "salt") {
			t.Errorf("%q: %+v", line, c)
		}
	}
	_, err := loadText(usage)
	if err == nil || !strings.Contains(err.Error(), `line 4 is the placeholder`) || !strings.Contains(err.Error(), `servers: "127.0.0.1:9200"`) {
		t.Errorf("with the placeholder: %v", err)
	}
}

func TestLoadConfig(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yml")
	if _, err := LoadConfig(path, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	text := strings.Replace(usage, "  ... settings to pass to ElasticSearch\n", "", 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DANCER_ENVIRONMENT", "")
	t.Setenv("PLACK_ENV", "deployment")
	t.Setenv("DANCER_ENVDIR", "")
	c, err := LoadConfig(path, nil)
	if err != nil || c.Environment != "deployment" || !slices.Equal(c.Files, []string{path}) {
		t.Fatalf("%+v, %v", c, err)
	}
	own := filepath.Join(dir, "environments", "test.yml")
	if err := os.Mkdir(filepath.Dir(own), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, []byte("session_name: sid\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err = LoadConfig(path, &LoadOptions{Environment: "test"})
	if err != nil || c.Environment != "test" || !slices.Equal(c.Files, []string{path, own}) || c.Cookie.Name != "sid" {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, err := elasticstore.NewClient(c.ClientConfig()); err != nil {
		t.Error(err)
	}
}

// TestRecordedCookies: the settings give the attributes that Dancer sent.
func TestRecordedCookies(t *testing.T) {
	const head = "session: ElasticSearch\nsession_options: {signing: {secret: x1}}\n"
	for _, v := range recorded(t).CookieAttributes {
		setting := v.Setting
		if setting == "(defaults)" {
			setting = ""
		}
		c, err := loadText(head + setting + "\n")
		if err != nil {
			t.Errorf("%s: %v", v.Setting, err)
			continue
		}
		sent, err := http.ParseSetCookie(v.SetCookie[0])
		if err != nil {
			t.Fatal(err)
		}
		date, err := http.ParseTime(v.Date)
		if err != nil {
			t.Fatal(err)
		}
		want := Cookie{Name: sent.Name, Secure: sent.Secure, HTTPOnly: sent.HttpOnly}
		if sent.Domain != "" {
			want.Domain = "." + strings.TrimPrefix(sent.Domain, ".")
		}
		if !sent.Expires.IsZero() {
			want.Expires = sent.Expires.Sub(date)
		}
		switch {
		case v.Dancer == "1.3121": // it knows no session_same_site
			want.SameSite = c.Cookie.SameSite
		case setting != "" && strings.Contains(setting, "same_site"):
			want.SameSite = sent.SameSite
		}
		if c.Cookie != want {
			t.Errorf("%s, Dancer %s: %+v, want %+v", v.Setting, v.Dancer, c.Cookie, want)
		}
	}
}

func TestDurations(t *testing.T) {
	const minute, hour, day, week, month, year = 60, 3600, 86400, 7 * 86400, 30 * 86400, 365 * 86400
	for text, want := range map[string]float64{
		"3600": hour, "+3600": hour, " 90 ": 90, "-5": -5, "1.6": 2, "1,6": 2, "0": 0,
		"+2h": 2 * hour, "-2h": -2 * hour, "2 hours": 2 * hour, "1 hour": hour, "2HOURS": 2 * hour, "1 hr": hour,
		"5 m": 5 * minute, "5 M": 5 * month, "5 min": 5 * minute, "2 months": 2 * month,
		"3 weeks 4 days 2 hours 99 min 0 secs": 3*week + 4*day + 2*hour + 99*minute,
		"1 day, 2 hours and 3 minutes":         day + 2*hour + 3*minute,
		"1 day AND 2 hours":                    day + 2*hour,
		"1 year":                               year, "1y": year, "1w": week, "1.5 days": 1.5 * day, "0,5 h": hour / 2,
		"1:30": 1.5 * hour, "1:30:15": 1.5*hour + 15, "2d 1:30": 2*day + 1.5*hour, "1h30m": 1.5 * hour, "2h -30m": 1.5 * hour,
		"": 0, " ": 0,
		strings.Repeat("9", 400) + " years": math.Inf(1),
	} {
		if got, ok := duration(text); !ok || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"in 3 weeks", "soon", "5 H", "5 parsecs", "2 hoursand 3 min", "Thu, 01 Jan 2037 00:00:00 GMT", "1h x", "h", "5", "1 2", ":", "٣ days"} {
		if got, ok := duration(text); ok != (text == "5") {
			t.Errorf("%q is %v, %v", text, got, ok)
		}
	}
}

// TestFiles: files that hold no settings, or hardly any.
func TestFiles(t *testing.T) {
	const good = "session: ElasticSearch\nsession_options:\n  signing:\n    secret: s3cr3t-text\n"
	bomb := "a0: &a0 [x,x]\n"
	for i := range 8 {
		bomb += fmt.Sprintf("a%[1]d: &a%[1]d [*a%[2]d, *a%[2]d, *a%[2]d, *a%[2]d]\n", i+1, i)
	}
	for name, v := range map[string]struct{ text, err string }{
		"BOM":              {"\ufeff" + good, ""},
		"CRLF":             {strings.ReplaceAll(good, "\n", "\r\n"), ""},
		"start and end":    {"---\n" + good + "...\n", ""},
		"no last newline":  {strings.TrimSuffix(good, "\n"), ""},
		"empty":            {"", "config.yml has no settings of a session: it needs at least"},
		"comments":         {"# nothing\n\n", "has no settings of a session"},
		"undefined":        {"~\n", "has no settings of a session"},
		"other settings":   {"appname: x\nlogger: file\n", "has no settings of a session"},
		"UTF-16":           {"\xff\xfes\x00e\x00", "config.yml, line 1 is UTF-16"},
		"UTF-16 BE":        {"\xfe\xff\x00s", "config.yml, line 1 is UTF-16"},
		"Latin-1":          {good + "x: caf\xe9\n", "config.yml, line 5 is not UTF-8"},
		"a NUL":            {good + "x: \x00\n", "config.yml, line 5 is not YAML: there is a control character"},
		"two documents":    {good + "---\n" + good, "config.yml, line 5 begins a second document"},
		"broken second":    {good + "---\na: b: c\n", "config.yml, line 6 is not YAML"},
		"text":             {"hello\n", "config.yml, line 1 is no setting"},
		"a list":           {"- session\n", "config.yml, line 1 is no setting"},
		"tab":              {good + "x:\n\ty: 1\n", "config.yml, line 6 is not YAML: a tab indents"},
		"colons":           {good + "x: s3cr3t-text: b\n", `config.yml, line 5 is not YAML: there is a ": "`},
		"open quote":       {good + "x: \"s3cr3t-text\n", "config.yml, line 5 is not YAML: a quote is not closed"},
		"open bracket":     {good + "x: [s3cr3t-text\n", "config.yml, line 5 is not YAML: a bracket or brace is not closed"},
		"no anchor":        {good + "x: *s3cr3t-text\n", "config.yml, line 5 is not YAML: an alias"},
		"at":               {good + "x: @s3cr3t-text\n", "config.yml, line 5 is not YAML"},
		"escape":           {good + "x: \"\\q s3cr3t-text\"\n", "config.yml, line 5 is not YAML: there is a \\"},
		"behind a quote":   {good + "x: 's3cr3t-text'y\n", "config.yml, line 5 is not YAML"},
		"tag handle":       {good + "x: !e!s3cr3t-text y\n", "config.yml, line 5 is not YAML"},
		"large":            {good + "# " + strings.Repeat("x", maxFile) + "\n", "config.yml is larger than 1 MiB"},
		"deep":             {good + "x: " + strings.Repeat("[", 100_000), "config.yml"},
		"bomb elsewhere":   {bomb + good, ""},
		"bomb":             {bomb + good + "session_x: *a8\n", "becomes too much"},
		"circle":           {good + "session_x: &a [*a]\n", "in a circle"},
		"circle elsewhere": {good + "x: &a [*a]\n", ""},
		"session twice":    {good + "session: YAML\n", "config.yml, line 5: session is set a second time, after line 1"},
		"other twice":      {good + "x: 1\nx: 2\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := loadText(v.text)
			switch {
			case err == nil && v.err != "":
				t.Errorf("it was taken: %+v", c)
			case err != nil && (v.err == "" || !strings.Contains(err.Error(), v.err)):
				t.Errorf("%v, want %q", err, v.err)
			case err != nil && strings.Contains(err.Error(), "s3cr3t"):
				t.Errorf("an error shows the secret: %v", err)
			case err == nil && (c.Signer().Hash("id", "salt") != hash([]byte("s3cr3t-text"), 10, "id", "salt") || len(c.Warnings) > 0):
				t.Errorf("%s", printed(c, err))
			}
		})
	}
}

// TestSecretText: a secret is the text that Perl reads.
func TestSecretText(t *testing.T) {
	for yaml, want := range map[string]string{
		"0123": "0123", "1e3": "1e3", "0x10": "0x10", "0o17": "0o17", "1_000": "1_000", "yes": "yes", "1.50": "1.50", "0": "0", "00": "00",
		"true": "true", "null": "null", `"~"`: "~", "'~'": "~", "!!str ~": "~", "!!str 0123": "0123", "2001-01-01": "2001-01-01",
		"a#b # comment": "a#b", `" a "`: " a ", "'it''s'": "it's", `"a\\b\"c\x41\t"`: "a\\b\"cA\t", "|\n   x\n   y\n": "x\ny\n", "|-\n   x\n": "x",
		"&s abc": "abc", `&s "abc"`: "abc", "caf\u00e9": "caf\u00e9", ".inf": ".inf", "<<": "<<", "=": "=",
		`"a\/b"`: "", `"\u00e9"`: "", `"a\ b"`: "", `&x "\_"`: "", `"\"\N"`: "", "~": "", "": "", `""`: "", "[a]": "", "{a: b}": "", "\u0100": "", "!!binary eA==": "", "!x y": "",
	} {
		c, err := loadText("session: ElasticSearch\nsession_options:\n signing:\n  secret: " + yaml + "\n")
		if (err == nil) != (want != "") {
			t.Errorf("secret: %s: %v", yaml, err)
			continue
		}
		if err == nil && c.Signer().Hash("id", "salt") != signer(t, want, 10).Hash("id", "salt") {
			t.Errorf("secret: %s is not the text %q", yaml, want)
		}
		if err == nil && len(c.Warnings) > 0 != (want == "true" || want == "null") {
			t.Errorf("secret: %s: %v", yaml, c.Warnings)
		}
		if err != nil && !strings.Contains(err.Error(), "line 4") {
			t.Errorf("secret: %s: %v", yaml, err)
		}
	}
}

// TestNothingShowsTheSecret prints a Config in every way.
func TestNothingShowsTheSecret(t *testing.T) {
	const secret, password = "Zm9v-secret-\u00a7", "pa55-w0rd"
	c, err := loadText("session: ElasticSearch\nsession_domain: x.example\nsession_expires: '" + secret + "'\nsession_options:\n  connection:\n    servers: ['me:" + password +
		"@a:9200', b]\n    password: " + password + "\n    transport: http\n    " + secret + ": 1\n  signing:\n    secret: '" + secret + "'\n    " + secret + ": 1\n  " + password + ": x\n")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(c.ClientConfig().URLs[0], password) {
		t.Fatalf("the password is nowhere: %v", c.ClientConfig().URLs)
	}
	b := new(bytes.Buffer)
	for _, v := range []any{c, *c, c.Signer(), *c.Signer(), c.Warnings, []any{c}, map[string]any{"c": c}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			fmt.Fprintf(b, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(b, nil)).Info("config", "c", v)
		slog.New(slog.NewJSONHandler(b, nil)).Info("config", "c", v)
		if err := json.NewEncoder(b).Encode(v); err != nil {
			t.Error(err)
		}
		walk(reflect.ValueOf(v), b, map[uintptr]bool{})
	}
	gob.Register([]any{})
	if err := gob.NewEncoder(b).Encode(c); err != nil {
		t.Error(err)
	}
	for _, hidden := range []string{secret, password, fmt.Sprintf("%x", secret), fmt.Sprintf("%x", password), secret[:8]} {
		for _, form := range []string{hidden, fmt.Sprintf("%q", hidden), fmt.Sprintf("%+q", hidden)} {
			if at := strings.Index(b.String(), form); at >= 0 {
				t.Errorf("%q shows: %s", hidden, b.String()[max(0, at-200):min(b.Len(), at+50)])
			}
		}
	}
}

// walk writes every text that reflection finds.
func walk(v reflect.Value, b *bytes.Buffer, seen map[uintptr]bool) {
	switch v.Kind() {
	case reflect.String:
		fmt.Fprintln(b, v.String())
	case reflect.Pointer:
		if !v.IsNil() && !seen[v.Pointer()] {
			seen[v.Pointer()] = true
			walk(v.Elem(), b, seen)
		}
	case reflect.Interface:
		walk(v.Elem(), b, seen)
	case reflect.Struct:
		for _, field := range v.Fields() {
			walk(field, b, seen)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			fmt.Fprintf(b, "%s\n", v.Bytes())
			return
		}
		for i := range v.Len() {
			walk(v.Index(i), b, seen)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			walk(k, b, seen)
			walk(v.MapIndex(k), b, seen)
		}
	}
}

// FuzzLoadConfig: nothing panics, nothing shows the secret, and the result makes sense.
func FuzzLoadConfig(f *testing.F) {
	cases, err := filepath.Glob("testdata/config/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range cases {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		files := archive(string(text))
		own := ""
		for name, text := range files {
			if strings.HasPrefix(name, "environments/") {
				own = text
			}
		}
		f.Add(files["config.yml"], own)
	}
	f.Add(usage, "")
	f.Add("session: ElasticSearch\nsession_options: {signing: {secret: \u00a7se-cr-et\u00a7, length: 40}}\n", "session_name: \u00a7se-cr-et\u00a7\n")
	f.Add("session: ElasticSearch\nsession_options: &a {signing: {secret: '\u00a7se-cr-et\u00a7', x: *a}}\n", "session_expires: 3 weeks\n")
	f.Fuzz(func(t *testing.T, main, own string) {
		files := map[string]string{"config.yml": main}
		if own != "" {
			files["environments/development.yml"] = own
		}
		c, err := loadFiles(files, nil, "development")
		if err != nil {
			// Our own texts have no such character, so a text with it is from the file.
			if secret := "\u00a7se-cr-et\u00a7"; strings.Contains(err.Error(), secret) && strings.Contains(main, "secret: "+secret) {
				t.Errorf("an error shows the secret: %v", err)
			}
			return
		}
		all := printed(c, nil)
		_, all, _ = strings.Cut(all, "cookie: ")
		_, all, _ = strings.Cut(all, "\n")
		key := []rune{}
		for _, b := range c.signer.secret() {
			key = append(key, rune(b))
		}
		if secret := string(key); strings.Contains(secret, "\u00a7") && strings.Contains(all, secret) {
			t.Errorf("a warning shows the secret %q: %s", secret, all)
		}
		if n := c.Signer().Length(); n < 1 || n > MaxLength {
			t.Errorf("length %d", n)
		}
		if c.Cookie.Expires < 0 || c.Cookie.Expires > cloakroom.MaxLifetime || c.Timeout < 0 || c.Timeout > time.Hour || c.Timeout%time.Millisecond != 0 {
			t.Errorf("expires %v, timeout %v", c.Cookie.Expires, c.Timeout)
		}
		if err := (&http.Cookie{Name: c.Cookie.Name, Value: "x", Domain: c.Cookie.Domain}).Valid(); err != nil {
			t.Error(err)
		}
		if len(c.Servers) == 0 || c.Index == "" || c.Type == "" {
			t.Errorf("%+v", c)
		}
		if _, err := elasticstore.NewClient(c.ClientConfig()); err != nil {
			t.Errorf("the client's settings don't fit: %v; %q", err, c.Servers)
		}
		for _, w := range c.Warnings {
			if w.Line < 1 && w.Setting != "environment" || w.File == "" || w.Setting == "" || w.Text == "" {
				t.Errorf("warning %+v", w)
			}
		}
	})
}

// TestValuesBelowSigning: any text there may be the secret, so no error has it.
func TestValuesBelowSigning(t *testing.T) {
	const head = "session: ElasticSearch\nsession_expires: zecret-1\nsession_same_site: zecret-1\nsession_options:\n  index: zecret-1/\n"
	for _, signing := range []string{
		"signing: {secret: 10, length: zecret-1}", "signing: {length: {secret: zecret-1}}", "signing: {length: [zecret-1]}",
		"signing: zecret-1", "signing: [zecret-1]", "signing: {secert: zecret-1}", "signing: {x: {y: [zecret-1]}}",
		"signing: {secret:zecret-1, length: 10}", "signing: {zecret-1: 10}",
	} {
		_, err := loadText(head + "  " + signing + "\n")
		e, ok := errors.AsType[*ConfigError](err)
		if !ok {
			t.Errorf("%s: %v", signing, err)
			continue
		}
		if all := fmt.Sprint(e, e.Warnings); strings.Contains(all, "zecret") {
			t.Errorf("%s: %s", signing, all)
		}
	}
	f := new(findings)
	f.guard(signingGroup+".secert", "a\tb")
	f.fail("config.yml", 1, "session", "can't be made: %v", guarded(`Config.App is "xa\tb"`))
	if err := f.err(); !strings.HasSuffix(err.Error(), "can't be made: (not shown)") {
		t.Error(err)
	}
}

// TestSettingErrors: LoadConfig's error unwraps to one for each setting.
func TestSettingErrors(t *testing.T) {
	_, err := loadText("session: ElasticSearch\nsession_same_site: Sometimes\nsession_options:\n  index: \"\"\n  signing: {secret: x}\n")
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%#v", err)
	}
	var got []string
	for _, err := range joined.Unwrap() {
		e, ok := errors.AsType[*SettingError](err)
		if !ok {
			t.Fatalf("%#v", err)
		}
		got = append(got, fmt.Sprintf("%s %d %s", e.File, e.Line, e.Setting))
	}
	if want := []string{"config.yml 2 session_same_site", "config.yml 4 session_options.index"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	_, err = loadText("session: ElasticSearch\nsession_dir: x\nsession_options:\n  signing: {secert: x}\n")
	if e, ok := errors.AsType[*ConfigError](err); !ok || len(e.Errors) != 1 || !strings.Contains(err.Error(), "line 4 has secert") ||
		len(e.Warnings) != 2 || e.Warnings[0].Setting != "session_dir" || e.Warnings[1].Setting != "session_options.signing.secert" {
		t.Errorf("%#v", err)
	}
	_, err = loadText("a: b: c")
	if e, ok := errors.AsType[*SettingError](err); !ok || e.Line != 1 || e.Setting != "" || "dancer: config.yml, line 1 "+e.Text != err.Error() {
		t.Errorf("%#v", err)
	}
}

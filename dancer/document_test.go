package dancer_test

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/dancer"
)

// This file tests that docs/from-dancer.md, and the README's part on it, are true.

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// section returns a document's text below a heading.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, below, ok := strings.Cut(text, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("there is no %q", heading)
	}
	below, _, _ = strings.Cut(below, "\n"+heading[:strings.IndexByte(heading, ' ')]+" ")
	return below
}

var (
	fenced   = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")
	codeSpan = regexp.MustCompile("`([^`]+)`")
)

// blocks returns the fenced blocks of a language.
func blocks(text, language string) (all []string) {
	for _, m := range fenced.FindAllStringSubmatch(text, -1) {
		if m[1] == language {
			all = append(all, m[2])
		}
	}
	return all
}

// columns returns the code spans in the columns of a name, of all tables.
func columns(text, name string) (all []string) {
	at := -1
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			at = -1
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if at < 0 {
			for i, cell := range cells {
				if strings.TrimSpace(cell) == name {
					at = i
				}
			}
			if at < 0 {
				at = len(cells) // this table has no such column
			}
			continue
		}
		if at < len(cells) {
			for _, m := range codeSpan.FindAllStringSubmatch(cells[at], -1) {
				all = append(all, m[1])
			}
		}
	}
	return all
}

// TestDocumentCompiles: the document's Go code compiles.
func TestDocumentCompiles(t *testing.T) {
	t.Parallel()
	text := read(t, "../docs/from-dancer.md")
	const names = `ctx context.Context, w http.ResponseWriter, r *http.Request, mux *http.ServeMux, addr string, body io.Reader, ` +
		`sessions *dancer.Sessions, session *cloakroom.Session, config *dancer.Config, ` +
		`count cloakroom.Key[int], color cloakroom.Key[string], token, value, id, salt string`
	var b strings.Builder
	imports := []string{
		"context", "fmt", "io", "log", "net/http", "time", "github.com/cloakroom-go/cloakroom",
		"github.com/cloakroom-go/cloakroom/dancer", "github.com/cloakroom-go/cloakroom/elasticstore",
	}
	b.WriteString("package document\n")
	for _, path := range imports {
		fmt.Fprintf(&b, "import %q\n", path)
	}
	b.WriteString("func use(...any) {}\n")
	whole, spans := blocks(text, "go"), columns(text, "Go")
	if len(whole) < 4 || len(spans) < 25 {
		t.Fatalf("the document has %d blocks and %d spans of Go", len(whole), len(spans))
	}
	for _, block := range whole {
		fmt.Fprintf(&b, "func _(%s) {\n%s\n}\n", names, block)
	}
	for _, span := range spans {
		if x, err := parser.ParseExpr(span); err != nil {
			t.Errorf("docs/from-dancer.md: %s: %v", span, err)
			continue
		} else if _, call := x.(*ast.CallExpr); !call {
			span = "use(" + span + ")"
		}
		fmt.Fprintf(&b, "func _(%s) { %s }\n", names, span)
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "from-dancer.go", b.String(), parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	conf := types.Config{
		Importer: importer.ForCompiler(fset, "gc", exported(t, imports)),
		Error: func(err error) {
			var e types.Error
			if !errors.As(err, &e) || !e.Soft { // an unused variable is a soft error
				t.Errorf("docs/from-dancer.md: %v: %s", err, lineOf(b.String(), fset.Position(e.Pos).Line))
			}
		},
	}
	_, _ = conf.Check("document", fset, []*ast.File{file}, nil) // the errors go to conf.Error
}

func lineOf(text string, n int) string {
	return strings.TrimSpace(strings.Split(text, "\n")[n-1])
}

// exported returns a look-up of the compiler's export data.
func exported(t *testing.T, packages []string) importer.Lookup {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}}={{.Export}}"}, packages...)...)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, problems.Bytes())
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "=")
		files[path] = file
	}
	return func(path string) (io.ReadCloser, error) {
		if files[path] == "" {
			return nil, fmt.Errorf("nothing is known of %s", path)
		}
		return os.Open(files[path])
	}
}

// TestDocumentNamesTests: the tests that the document names exist. Each row of faults of
// the old module names one, and each method has one.
func TestDocumentNamesTests(t *testing.T) {
	t.Parallel()
	text := read(t, "../docs/from-dancer.md")
	folders := map[string]string{"cloakroom": "..", "dancer": ".", "elasticstore": "../elasticstore", "token": "../internal/token"}
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	for name, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			for _, m := range declared.FindAllStringSubmatch(read(t, file), -1) {
				tests[name+"."+m[1]] = true
			}
		}
	}
	named := regexp.MustCompile(`\w+\.Test\w+`)
	for _, name := range named.FindAllString(text, -1) {
		if !tests[name] {
			t.Errorf("docs/from-dancer.md names the test %s, and there is none", name)
		}
	}
	rows := 0
	for line := range strings.Lines(section(t, text, "## What goes wrong there")) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| there |") {
			continue
		}
		if rows++; !named.MatchString(line) {
			t.Errorf("no test is named in: %s", line)
		}
	}
	if rows != 13 { // the number that was measured
		t.Errorf("the table of what goes wrong there has %d rows", rows)
	}
	for _, method := range []string{"create", "flush", "retrieve", "destroy", "is_lazy", "_es", "init", "_verify", "_sign", "_hash"} {
		if !tests["dancer.TestMethod_"+method] {
			t.Errorf("the method %s has no test", method)
		}
		if !strings.Contains(text, method) {
			t.Errorf("docs/from-dancer.md has nothing of %s", method)
		}
	}
}

// TestReadmeConfig: the README's config.yml can be loaded.
func TestReadmeConfig(t *testing.T) {
	t.Parallel()
	part := section(t, read(t, "../README.md"), "## From Dancer::Session::ElasticSearch")
	all := blocks(part, "yaml")
	if len(all) != 1 {
		t.Fatalf("the README's section has %d blocks of YAML", len(all))
	}
	path := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(path, []byte(all[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := dancer.LoadConfig(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Index != "my_index" || c.Type != "my_session" || c.Lazy || c.Signer().Length() != 10 || len(c.Warnings) > 0 {
		t.Errorf("the README's config.yml is read as %+v", c)
	}
}

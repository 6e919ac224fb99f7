package cloakroom_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// This file is the check that docs/problems.md has the codes of all problems, and no other.

// problemCodes finds the codes of problems in the source of these folders, each with the severities that
// stand beside it.
func problemCodes(t *testing.T, folders ...string) map[string]map[string]bool {
	t.Helper()
	codes := map[string]map[string]bool{}
	for _, dir := range folders {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok {
					codesOf(f, codes)
				}
			}
		}
	}
	return codes
}

var codeText = regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`)

// codesOf finds the codes in a function: of a Problem's Code, and of calls of functions
// called problem or warn. If the code is a field of a table, all texts of the function
// that look like codes are some.
func codesOf(f *ast.FuncDecl, codes map[string]map[string]bool) {
	add := func(code, severity ast.Expr) {
		name := literal(code)
		if name == "" {
			if s, ok := code.(*ast.SelectorExpr); ok && s.Sel.Name == "code" {
				ast.Inspect(f, func(n ast.Node) bool {
					if e, ok := n.(ast.Expr); ok && codeText.MatchString(literal(e)) && codes[literal(e)] == nil {
						codes[literal(e)] = map[string]bool{}
					}
					return true
				})
			}
			return
		}
		if !codeText.MatchString(name) {
			return
		}
		if codes[name] == nil {
			codes[name] = map[string]bool{}
		}
		if s, ok := severity.(*ast.SelectorExpr); ok && strings.HasPrefix(s.Sel.Name, "Severity") {
			codes[name][strings.ToLower(strings.TrimPrefix(s.Sel.Name, "Severity"))] = true
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			fields := map[string]ast.Expr{}
			for _, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					if key, ok := kv.Key.(*ast.Ident); ok {
						fields[key.Name] = kv.Value
					}
				}
			}
			if code := fields["Code"]; code != nil {
				add(code, fields["Severity"])
			}
		case *ast.CallExpr:
			name := ""
			switch fun := n.Fun.(type) {
			case *ast.Ident:
				name = fun.Name
			case *ast.SelectorExpr:
				name = fun.Sel.Name
			}
			if (name == "problem" || name == "warn") && len(n.Args) > 1 {
				add(n.Args[0], n.Args[1])
			}
		}
		return true
	})
}

// literal returns the text of a string literal; "" for anything else.
func literal(e ast.Expr) string {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(l.Value)
	if err != nil {
		return ""
	}
	return text
}

// Each code that the source has is in docs/problems.md once, with its severities, and
// nothing else is.
func TestProblemsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("docs/problems.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := problemCodes(t, ".", "driver", "memstore", "sqlitestore", "elasticstore", "dancer", "internal/protocol")
	if len(codes) < 30 {
		t.Errorf("only %d codes were found: %v", len(codes), codes)
	}
	rows := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| ([a-z, ]+) \\| .+ \\| .+ \\|$").FindAllStringSubmatch(string(text), -1) {
		if rows[row[1]] != nil {
			t.Errorf("%s has two rows", row[1])
		}
		rows[row[1]] = strings.Split(row[2], ", ")
		if codes[row[1]] == nil {
			t.Errorf("%s is in the table, and nowhere in the source", row[1])
		}
	}
	for code, severities := range codes {
		if rows[code] == nil {
			t.Errorf("%s has no row in docs/problems.md", code)
			continue
		}
		for s := range severities {
			if !slices.Contains(rows[code], s) {
				t.Errorf("%s is of the severity %q, which its row lacks", code, s)
			}
		}
	}
}

// Each code of elasticstore is made, seen and mended by one of its tests.
func TestProblemsOfEnginesAreTested(t *testing.T) {
	tests := readAll(t, "elasticstore/*_test.go")
	for code := range problemCodes(t, "elasticstore") {
		if !strings.Contains(string(tests), `"`+code+`"`) {
			t.Errorf("no test of elasticstore mentions %s", code)
		}
	}
}

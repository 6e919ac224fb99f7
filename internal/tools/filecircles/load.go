package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// This file loads packages, and collects the references between their files.

// refs is the references between files: by the base names of the user and of the used
// file.
type refs map[string]map[string][]use

// use is an object of another file that a file uses.
type use struct {
	name  string
	line  int // of the first use
	times int
}

// pkg is a package's files and their references.
type pkg struct {
	path  string
	lines map[string]int // by base name; with files for other systems
	refs  refs
}

// files returns the base names, sorted.
func (p *pkg) files() []string { return slices.Sorted(maps.Keys(p.lines)) }

// load type-checks packages. It fails for a pattern that matches none, and for a package
// that is empty or has errors: their references would be missing, and the limits would
// hold in vain.
func load(dir string, patterns []string) ([]*pkg, error) {
	config := &packages.Config{
		Dir: dir,
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports |
			packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo,
	}
	var pkgs []*pkg
	for _, pattern := range patterns { // one by one: beside others, one without packages isn't reported
		loaded, err := packages.Load(config, pattern)
		if err != nil {
			return nil, err
		}
		if len(loaded) == 0 {
			return nil, fmt.Errorf("no package matches %s", pattern)
		}
		for _, l := range loaded {
			if len(l.Errors) > 0 {
				return nil, fmt.Errorf("%s: %w", l.PkgPath, l.Errors[0])
			}
			if len(l.Syntax) == 0 {
				return nil, fmt.Errorf("%s has no Go files but tests", l.PkgPath)
			}
			lines, err := countLines(l)
			if err != nil {
				return nil, err
			}
			pkgs = append(pkgs, &pkg{path: l.PkgPath, lines: lines, refs: references(l)})
		}
	}
	return pkgs, nil
}

// generated matches the first line of a generated file.
var generated = regexp.MustCompile(`^// Code generated .* DO NOT EDIT\.\n`)

// countLines counts the lines of all files except tests. Files that this system doesn't
// build have no references, but a length. Generated ones have none, since nobody reads
// them line by line.
func countLines(l *packages.Package) (map[string]int, error) {
	lines := map[string]int{}
	for _, file := range slices.Concat(l.GoFiles, l.IgnoredFiles) {
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		lines[filepath.Base(file)] = bytes.Count(text, []byte("\n"))
		if generated.Match(text) {
			lines[filepath.Base(file)] = 0
		}
	}
	return lines, nil
}

// references collects each file's uses of the others.
func references(l *packages.Package) refs {
	structs := structsOf(l.Types)
	found := map[string]map[string]map[string]*use{}
	add := func(at token.Pos, o types.Object) {
		if o == nil || o.Pkg() != l.Types || !o.Pos().IsValid() {
			return
		}
		from, to := base(l.Fset, at), base(l.Fset, o.Pos())
		if from == to {
			return
		}
		if found[from] == nil {
			found[from] = map[string]map[string]*use{}
		}
		if found[from][to] == nil {
			found[from][to] = map[string]*use{}
		}
		name := title(structs, o)
		u := found[from][to][name]
		line := l.Fset.Position(at).Line
		if u == nil {
			u = &use{name: name, line: line}
			found[from][to][name] = u
		}
		u.line, u.times = min(u.line, line), u.times+1
	}
	for id, o := range l.TypesInfo.Uses {
		add(id.Pos(), o)
	}
	for at, s := range l.TypesInfo.Selections {
		for _, field := range embedded(s) {
			add(at.Sel.Pos(), field)
		}
	}

	r := refs{}
	for from, tos := range found {
		r[from] = map[string][]use{}
		for to, uses := range tos {
			for _, u := range uses {
				r[from][to] = append(r[from][to], *u)
			}
			slices.SortFunc(r[from][to], func(a, b use) int { return cmp.Or(a.line-b.line, cmp.Compare(a.name, b.name)) })
		}
	}
	return r
}

// embedded returns the fields that a selection goes through without naming them.
func embedded(s *types.Selection) []*types.Var {
	var fields []*types.Var
	t := s.Recv()
	for _, i := range s.Index()[:len(s.Index())-1] {
		if p, ok := t.Underlying().(*types.Pointer); ok {
			t = p.Elem()
		}
		st, ok := t.Underlying().(*types.Struct)
		if !ok {
			break
		}
		fields = append(fields, st.Field(i))
		t = st.Field(i).Type()
	}
	return fields
}

// base returns the name of a position's file; line directives don't count.
func base(fset *token.FileSet, at token.Pos) string { return filepath.Base(fset.File(at).Name()) }

// structsOf returns the type that declares each field of a package's types: the field
// itself doesn't know.
func structsOf(p *types.Package) map[*types.Var]string {
	structs := map[*types.Var]string{}
	for _, name := range p.Scope().Names() {
		t, ok := p.Scope().Lookup(name).(*types.TypeName)
		if !ok {
			continue
		}
		if st, ok := t.Type().Underlying().(*types.Struct); ok {
			for field := range st.Fields() {
				structs[field] = name
			}
		}
	}
	return structs
}

// title returns an object's name in the report.
func title(structs map[*types.Var]string, o types.Object) string {
	switch o := o.(type) {
	case *types.Func:
		if recv := o.Signature().Recv(); recv != nil {
			t := recv.Type()
			if p, ok := t.(*types.Pointer); ok {
				t = p.Elem()
			}
			if named, ok := t.(*types.Named); ok {
				return named.Obj().Name() + "." + o.Name()
			}
		}
	case *types.Var:
		if name := structs[o.Origin()]; name != "" {
			return name + "." + o.Name()
		}
	}
	return o.Name()
}

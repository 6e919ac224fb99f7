package dancer

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// This file reads a file of settings as Dancer's YAML modules do: every scalar is text.
// Where these modules differ from each other, or from YAML 1.2, there is an error or a
// warning if it matters.

// kind is the kind of a value in Perl.
type kind int

const (
	undef kind = iota // nothing, or a plain ~
	scalar
	list
	group
)

func (k kind) String() string {
	return [...]string{"undefined", "text", "a list", "a group of settings"}[k]
}

// value is a value with its place. A nil value is undefined.
type value struct {
	file  string
	line  int
	kind  kind
	text  string
	plain bool // without quotes
	odd   bool // in double quotes, with an escape that YAML.pm doesn't know
	items []*value
	keys  []entry // of a hash, in the file's order
}

type entry struct {
	name  string
	line  int
	value *value
}

func (v *value) is(k kind) bool { return v != nil && v.kind == k || v == nil && k == undef }

// get returns the value of a key, nil if there is none.
func (v *value) get(name string) *value {
	if v.is(group) {
		for _, e := range v.keys {
			if e.name == name {
				return e.value
			}
		}
	}
	return nil
}

// merged returns left with right merged in, as Hash::Merge::Simple does: hashes are
// merged; any other value of left is replaced.
func merged(left, right *value) *value {
	if !left.is(group) || !right.is(group) {
		return right
	}
	m := &value{file: right.file, line: right.line, kind: group, keys: slices.Clone(left.keys)}
	for _, e := range right.keys {
		i := slices.IndexFunc(m.keys, func(l entry) bool { return l.name == e.name })
		if i < 0 {
			m.keys = append(m.keys, e)
			continue
		}
		m.keys[i] = entry{e.name, e.line, merged(m.keys[i].value, e.value)}
	}
	return m
}

// keeps reports whether a merge with right keeps anything of left.
func keeps(left, right *value) bool {
	if !left.is(group) || !right.is(group) {
		return false
	}
	return slices.ContainsFunc(left.keys, func(e entry) bool {
		return !slices.ContainsFunc(right.keys, func(r entry) bool { return r.name == e.name }) || keeps(e.value, right.get(e.name))
	})
}

// maxFile bounds a file of settings in bytes. maxNodes and maxDepth bound its values,
// since aliases can make much of little.
const (
	maxFile  = 1 << 20
	maxNodes = 10_000
	maxDepth = 20
)

// reader turns a file into values.
type reader struct {
	file  string
	lines []string
	nodes int
	found *findings
}

// read returns the settings of a file that concern the session. The faults of the file
// go to the findings; then the result is nil.
func read(file string, text []byte, found *findings) *value {
	found.files = append(found.files, file)
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	switch {
	case len(text) > maxFile:
		found.fail(file, 0, "", "is larger than 1 MiB: that is no file of settings")
		return nil
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		found.fail(file, 1, "", "is UTF-16: save it as UTF-8")
		return nil
	case !utf8.Valid(text):
		valid := 0
		for rest := text; ; {
			c, n := utf8.DecodeRune(rest)
			if c == utf8.RuneError && n <= 1 {
				break
			}
			valid, rest = valid+n, rest[n:]
		}
		found.fail(file, 1+bytes.Count(text[:valid], []byte("\n")), "", "is not UTF-8: save the file as UTF-8")
		return nil
	}
	r := &reader{file: file, lines: strings.Split(string(text), "\n"), found: found}
	loader, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		found.fail(file, 0, "", "is not YAML")
		return nil
	}
	var document, second yaml.Node
	switch err = loader.Load(&document); {
	case errors.Is(err, io.EOF):
		return &value{file: file, line: 1, kind: group}
	case err != nil:
		r.broken(err)
		return nil
	}
	switch err = loader.Load(&second); {
	case err == nil:
		found.fail(file, second.Line, "", "begins a second document: which one Dancer reads depends on its YAML module. Leave one")
		return nil
	case !errors.Is(err, io.EOF):
		r.broken(err)
		return nil
	}
	if len(document.Content) != 1 {
		return &value{file: file, line: 1, kind: group}
	}
	top := document.Content[0]
	if top.Kind == yaml.ScalarNode && top.Style == 0 && (top.Value == "" || top.Value == "~") {
		return &value{file: file, line: 1, kind: group}
	}
	if top.Kind != yaml.MappingNode {
		found.fail(file, top.Line, "", "is no setting: write one a line, as name: value")
		return nil
	}
	return r.group(top, top.Line, 0, "", relevant)
}

// relevant reports whether a setting at the top is read. Others are Dancer's own.
func relevant(name string) bool {
	return name == "session" || strings.HasPrefix(name, "session_") ||
		name == "environment" || name == "envdir" || name == "require_environment" || name == mergeKey
}

// mergeKey is YAML 1.1's. Perl's modules take it for a name like others.
const mergeKey = "<<"

// value returns a node's value, nil if it is faulty. line is that of the value's name,
// or of the item of a list: the node itself may be an alias's, and stand elsewhere.
func (r *reader) value(n *yaml.Node, line, depth int, setting string) *value {
	if r.nodes++; r.nodes > maxNodes {
		if r.nodes == maxNodes+1 {
			r.found.fail(r.file, line, setting, "becomes too much when its aliases are followed")
		}
		return nil
	}
	if depth > maxDepth {
		r.found.fail(r.file, line, setting, "is nested too deeply, or in a circle")
		r.nodes = maxNodes + 1
		return nil
	}
	v := &value{file: r.file, line: line}
	if n.Style&yaml.TaggedStyle != 0 && n.Tag != "!!str" {
		r.found.fail(r.file, line, setting, "has a tag, of which Perl's YAML modules make different things: write the value without it")
		return nil
	}
	switch n.Kind {
	case yaml.AliasNode:
		return r.value(n.Alias, line, depth+1, setting)
	case yaml.MappingNode:
		return r.group(n, line, depth, setting, nil)
	case yaml.SequenceNode:
		v.kind = list
		for _, item := range n.Content {
			v.items = append(v.items, r.value(item, item.Line, depth+1, setting))
		}
		return v
	case yaml.ScalarNode:
		v.plain = n.Style == 0
		if v.plain && (n.Value == "" || n.Value == "~") {
			return v
		}
		v.kind, v.text = scalar, n.Value
		v.odd = n.Style&yaml.DoubleQuotedStyle != 0 && r.oddEscape(n)
		r.found.guard(setting, n.Value)
		return v
	}
	return v
}

// group returns a mapping's value, with only those names that only allows.
func (r *reader) group(n *yaml.Node, line, depth int, setting string, only func(string) bool) *value {
	v := &value{file: r.file, line: line, kind: group}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, content := n.Content[i], n.Content[i+1]
		at := key.Line
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			if only == nil {
				r.found.fail(r.file, at, setting, "has a name that is not text")
			}
			continue
		}
		name := key.Value
		if only != nil && !only(name) {
			continue
		}
		path := join(setting, name)
		if first, ok := seen[name]; ok {
			r.found.fail(r.file, at, path, "is set a second time, after line %d: YAML.pm takes the first, YAML::XS the last. Leave one", first)
			continue
		}
		seen[name] = at
		r.found.guardName(setting, name)
		v.keys = append(v.keys, entry{name, at, r.value(content, at, depth+1, path)})
	}
	return v
}

func join(setting, name string) string {
	if setting == "" {
		return name
	}
	return setting + "." + name
}

// oddEscape reports whether a scalar in double quotes has an escape that YAML.pm leaves
// as it stands. It knows \" and the following.
func (r *reader) oddEscape(n *yaml.Node) bool {
	const known = `\"never0aftx`
	if n.Line < 1 || n.Line > len(r.lines) {
		return false
	}
	text := strings.Join(r.lines[n.Line-1:min(len(r.lines), n.Line+50)], "\n")
	for range n.Column - 1 { // columns count characters
		_, size := utf8.DecodeRuneInString(text)
		text = text[size:]
	}
	_, text, _ = strings.Cut(text, `"`) // an anchor may come first
	for i := 0; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			if i++; i == len(text) || !strings.Contains(known, text[i:i+1]) {
				return true
			}
		}
	}
	return false
}

// yamlProblems are the library's messages and ours. Other messages may quote the file.
var yamlProblems = []struct{ library, ours string }{
	{"mapping values are not allowed", `there is a ": " where no setting can begin: put the value in quotes, or correct the indentation`},
	{"could not find expected ':'", `there is no ":" behind a setting's name`},
	{"did not find expected key", "the indentation doesn't fit the lines above, or something follows a closing quote"},
	{"did not find expected '-' indicator", "the indentation doesn't fit the list above"},
	{"did not find expected ',' or", "a bracket or brace is not closed"},
	{"cannot start any token", "a tab indents, or a value begins with a character that needs quotes around it"},
	{"found unknown escape character", `there is a \ that means nothing in double quotes: use single quotes`},
	{"did not find expected hexdecimal number", `there is a \ that means nothing in double quotes: use single quotes`},
	{"found unexpected end of stream", "a quote is not closed"},
	{"found unexpected document indicator", "a quote is not closed"},
	{"unknown anchor", "an alias (*) names no anchor (&): put the value in quotes if it is none"},
	{"control characters are not allowed", "there is a control character"},
	{"block sequence entries are not allowed", `there is a "- " where no list can begin: put the value in quotes, or correct the indentation`},
	{"found a tab character", "a tab indents: use spaces"},
	{"incompatible YAML document", "it says to be another YAML than 1.1 or 1.2: take the %YAML line out"},
}

// placeholder begins a line of the module's documentation that isn't YAML.
const (
	placeholder       = "... settings"
	placeholderRemedy = `is the placeholder of the module's documentation: write the client's settings in its place, such as servers: "127.0.0.1:9200"`
)

// broken adds the error of a file that isn't YAML, without repeating any of it.
func (r *reader) broken(err error) {
	for i, line := range r.lines {
		if strings.HasPrefix(strings.TrimSpace(line), placeholder) {
			r.found.fail(r.file, i+1, "", placeholderRemedy)
			return
		}
	}
	line, ours := 0, ""
	if e, ok := errors.AsType[*yaml.LoadError](err); ok {
		line = e.Mark.Line
		for _, p := range yamlProblems {
			if strings.Contains(e.Message, p.library) {
				ours = ": " + p.ours
				if strings.HasPrefix(p.ours, "a quote") || strings.HasPrefix(p.ours, "a bracket") {
					line = max(e.ContextMark.Line, 0)
				}
				break
			}
		}
		if line == 0 && strings.Contains(e.Message, "control characters") {
			line = 1 + slices.IndexFunc(r.lines, func(s string) bool {
				return strings.ContainsFunc(s, func(c rune) bool { return c < ' ' && c != '\t' && c != '\r' || c >= 0x7f && c < 0xa0 && c != 0x85 })
			})
		}
	}
	r.found.fail(r.file, line, "", "is not YAML%s", ours)
}

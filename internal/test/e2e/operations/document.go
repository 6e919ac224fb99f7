package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file is the table in docs/operations.md.

// The table is between these lines.
const (
	tableBegins = "<!-- Written by `make test-operations`, up to the next such line. -->\n"
	tableEnds   = "<!-- Up to here. -->\n"
)

// result is what came of all operations on one engine.
type result struct {
	engine   string
	outcomes []*outcome
}

// document writes the tables of all engines into a page.
func document(path string, results []result, began time.Time) error {
	page, err := os.ReadFile(path) //nolint:gosec // the caller names it
	if err != nil {
		return err
	}
	before, rest, found := bytes.Cut(page, []byte(tableBegins))
	_, after, also := bytes.Cut(rest, []byte(tableEnds))
	if !found || !also {
		return fmt.Errorf("%s has no lines %q and %q, between which the table goes", path, tableBegins, tableEnds)
	}
	var b bytes.Buffer
	for _, r := range results {
		r.table(&b, began)
	}
	return os.WriteFile(path, slices.Concat(before, []byte(tableBegins), b.Bytes(), []byte(tableEnds), after), 0o644) //nolint:gosec // a page for everybody
}

// table writes the table of one engine.
func (r *result) table(b *bytes.Buffer, began time.Time) {
	fmt.Fprintf(b, "\n### %s, %s\n\n", r.engine, began.UTC().Format(time.DateOnly))
	fmt.Fprintln(b, "| operation | visitors see | logged | `Report` meanwhile | afterwards | lost | recovers by itself |")
	fmt.Fprintln(b, "|---|---|---|---|---|---|---|")
	for _, o := range r.outcomes {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", o.op.title, o.visitors(), o.logged(), cell(o.report), cell(o.after), o.gone(), o.recover)
	}
	fmt.Fprintln(b)
}

// The cells of a row.

func (r *outcome) visitors() string {
	if r.err != nil {
		return "**failed**"
	}
	by := map[string][]string{}
	var order []string
	for _, k := range kinds {
		var statuses []string
		for _, status := range r.seen[k] {
			statuses = append(statuses, strconv.Itoa(status))
		}
		text := strings.Join(statuses, " or ")
		if by[text] == nil {
			order = append(order, text)
		}
		by[text] = append(by[text], string(k))
	}
	var parts []string
	for _, text := range order {
		if len(order) == 1 {
			parts = append(parts, text)
		} else {
			parts = append(parts, strings.Join(by[text], ", ")+" "+text)
		}
	}
	text := strings.Join(parts, "; ")
	if r.longest > time.Second {
		text += fmt.Sprintf("; up to %.0f s", r.longest.Seconds())
	}
	if r.out != "" {
		text += "; signed out: " + r.out
	}
	if r.opens {
		text += "; a signed-out session opens again"
	}
	return text
}

// wayOf is the part of a line that says which session was read or written by whom.
var wayOf = regexp.MustCompile(`; error: cloakroom: (?:(?:reading|writing|ending) )?<id>: (?:outcome unknown: )?(?:store unavailable: )?elasticstore: (\w+) <id>: (?:store unavailable: )?(?:outcome unknown: )?`)

func (r *outcome) logged() string {
	const most, length = 2, 200
	var texts []string
	for _, l := range r.log {
		l.text = wayOf.ReplaceAllString(l.text, "; $1: ")
		text := strings.NewReplacer("|", "/", "`", "'", "<", "‹", ">", "›").Replace(l.String())
		if n := []rune(text); len(n) > length {
			text = string(n[:length]) + "…"
		}
		if !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	if more := len(texts) - most; more > 0 {
		texts = append(texts[:most], fmt.Sprintf("%d more", more))
	}
	if len(texts) == 0 {
		return "nothing"
	}
	return strings.Join(texts, "<br>")
}

func cell(codes []string) string {
	if len(codes) == 0 {
		return "as before"
	}
	return strings.Join(codes, ", ")
}

func (r *outcome) gone() string {
	if w := r.op.want; w.lost != "" {
		return w.lost
	}
	return "no"
}

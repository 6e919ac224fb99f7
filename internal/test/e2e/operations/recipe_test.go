package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// This file is the recipes of docs/operations.md: it finds their requests and sends them.

const page = "../../../../docs/operations.md" // from this package's directory

var blockOf = regexp.MustCompile("(?ms)^<!-- recipe: ([\\w-]+) -->\n```(\\w+)\n(.*?)^```$")

// recipes returns the blocks of the document that are marked as recipes, by their names.
func recipes() (map[string]string, error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, m := range blockOf.FindAllStringSubmatch(string(text), -1) {
		if all[m[1]] != "" {
			return nil, fmt.Errorf("%s has two recipes of the name %s", page, m[1])
		}
		all[m[1]] = m[3]
	}
	return all, nil
}

// request is one of a recipe.
type request struct{ method, path, body string }

// requests reads a block: a line with a method and a path, and below it a body, up to an
// empty line.
func requests(block string) (all []request) {
	for part := range strings.SplitSeq(strings.TrimSpace(block), "\n\n") {
		first, body, _ := strings.Cut(part, "\n")
		method, path, _ := strings.Cut(first, " ")
		all = append(all, request{method, path, body})
	}
	return all
}

// recital is the following of recipes, one after the other.
type recital struct {
	*stage
	mappings string // of the index that a recipe looked at last
}

// names are those in the recipes, and what a stage has in their place.
func (r *recital) names(index string) *strings.Replacer {
	s := r.stage
	return strings.NewReplacer(
		"session-2026.11.22,session-principals,session-imports", strings.Join(s.own(), ","),
		"shop-2026.11.22", "of-"+index,
		"session-2026.11.22", index,
		"session-", s.index+"-",
		"shop-", "of-"+s.index+"-",
		"/var/backups/engine", s.repo,
	)
}

// own are the indices of the store's, and none of others.
func (s *stage) own() []string { return s.list(s.index + "-*") }

// follow sends the requests of a recipe, with the index in place of the example's. It
// returns the answers.
func (r *recital) follow(name, index string) (answers []map[string]any) {
	s := r.stage
	s.Helper()
	all, err := recipes()
	if err != nil {
		s.Fatal(err)
	}
	if all[name] == "" {
		s.Fatalf("%s has no recipe %s", page, name)
	}
	for _, q := range requests(r.names(index).Replace(all[name])) {
		q.body = strings.ReplaceAll(q.body, "MAPPINGS", r.mappings)
		var answer map[string]any
		if err := json.Unmarshal(s.call(q.method, q.path, q.body), &answer); err != nil {
			s.Fatalf("%s %s: %v", q.method, q.path, err)
		}
		r.check(q, answer)
		answers = append(answers, answer)
	}
	return answers
}

// check fails for an answer that tells of a failure, and keeps an index's mapping.
func (r *recital) check(q request, answer map[string]any) {
	s := r.stage
	s.Helper()
	if failures, ok := answer["failures"].([]any); ok && len(failures) > 0 {
		s.Fatalf("%s %s: %v", q.method, q.path, failures)
	}
	if shot, ok := answer["snapshot"].(map[string]any); ok {
		if shards, _ := shot["shards"].(map[string]any); shards["failed"] != 0.0 {
			s.Fatalf("%s %s: %v", q.method, q.path, answer)
		}
	}
	for _, v := range answer {
		index, _ := v.(map[string]any)
		if m := index["mappings"]; m != nil {
			text, err := json.Marshal(m)
			if err != nil {
				s.Fatal(err)
			}
			r.mappings = string(text)
		}
	}
}

package main

import (
	"cmp"
	"maps"
	"slices"
)

// This file finds the circles of files.

// circles returns the strongly connected components of more than one file, the largest
// first, by Tarjan's algorithm.
func circles(r refs) [][]string {
	s := search{refs: r, number: map[string]int{}, low: map[string]int{}, open: map[string]bool{}}
	for _, file := range slices.Sorted(maps.Keys(r)) {
		if s.number[file] == 0 {
			s.visit(file)
		}
	}
	slices.SortFunc(s.found, func(a, b []string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a[0], b[0])) })
	return s.found
}

// search is the state of Tarjan's algorithm.
type search struct {
	refs   refs
	number map[string]int // the order of visits to files, from 1 on
	low    map[string]int // the lowest number that a file reaches among open ones
	open   map[string]bool
	stack  []string // the open files
	found  [][]string
}

func (s *search) visit(file string) {
	s.number[file] = len(s.number) + 1
	s.low[file] = s.number[file]
	s.stack, s.open[file] = append(s.stack, file), true
	for _, to := range slices.Sorted(maps.Keys(s.refs[file])) {
		if s.number[to] == 0 {
			s.visit(to)
			s.low[file] = min(s.low[file], s.low[to])
		} else if s.open[to] {
			s.low[file] = min(s.low[file], s.number[to])
		}
	}
	if s.low[file] < s.number[file] {
		return
	}
	at := slices.Index(s.stack, file)
	circle := slices.Clone(s.stack[at:])
	s.stack = s.stack[:at]
	for _, f := range circle {
		delete(s.open, f)
	}
	if len(circle) > 1 {
		slices.Sort(circle)
		s.found = append(s.found, circle)
	}
}

// edge is a reference between two files of a circle.
type edge struct {
	from, to string
	left     int // files in the largest circle without this reference; 1 if there is none
}

// breaking returns a circle's references; those that break it best come first.
func breaking(r refs, circle []string) []edge {
	in := func(file string) bool { _, ok := slices.BinarySearch(circle, file); return ok }
	inside := refs{}
	var edges []edge
	for _, from := range circle {
		inside[from] = map[string][]use{}
		for _, to := range slices.Sorted(maps.Keys(r[from])) {
			if in(to) {
				inside[from][to] = r[from][to]
				edges = append(edges, edge{from: from, to: to})
			}
		}
	}
	for i, e := range edges {
		delete(inside[e.from], e.to)
		edges[i].left = 1
		if rest := circles(inside); len(rest) > 0 {
			edges[i].left = len(rest[0])
		}
		inside[e.from][e.to] = r[e.from][e.to]
	}
	slices.SortStableFunc(edges, func(a, b edge) int {
		return cmp.Or(a.left-b.left, len(r[a.from][a.to])-len(r[b.from][b.to]))
	})
	return edges
}

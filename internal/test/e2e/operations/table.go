package main

import "time"

// This file is the table of operations.

// seeing is what visitors of all kinds may see.
func seeing(reading, saving, coming, signing string) map[kind]string {
	return map[kind]string{reads: reading, saves: saving, news: coming, signs: signing}
}

// everywhere is the same for all visitors.
func everywhere(statuses string) map[kind]string {
	return seeing(statuses, statuses, statuses, statuses)
}

// operations are all, in the order of the document.
func operations() []operation {
	var all []operation
	for _, part := range [][]operation{lostIndices(), blocked(), changed(), moved(), engines(), templates(), clocks(), networks(), applications()} {
		all = append(all, part...)
	}
	return all
}

// anything is a log or a report that may have more than is written down.
var anything = []string{"*"}

// short is a patience for operations that visitors wait for.
const short = 3 * time.Second

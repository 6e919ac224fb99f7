package main

import "testing"

// This file tests what a copy tells of its passes.

// TestCopyTells: what passes behind the first one copied isn't counted among what that
// had to copy.
func TestCopyTells(t *testing.T) {
	for want, r := range map[string]copying{
		"Copied 9 records of 9.": {first: 9, copyResult: copyResult{Listed: 9, Copied: 9}},
		"Copied 9 records of 9. Written meanwhile, and copied too: 2.":                                                          {first: 9, copyResult: copyResult{Listed: 9, Copied: 11}},
		"Copied 1 record of 9. Written meanwhile, and copied too: 2. The target had 8 already.":                                 {first: 1, copyResult: copyResult{Listed: 9, Copied: 3}},
		"Copied 1 record of 9. The target had 5 already. What is over wasn't copied: 2. What couldn't be copied: 1, see above.": {first: 1, copyResult: copyResult{Listed: 9, Copied: 1, Over: 2, Left: 1}},
	} {
		if got := r.summary(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

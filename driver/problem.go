package driver

// This file is the problems of a store or a manager, for people and machines.

// Problem is something that is wrong, or unwise, with a store or with how a
// manager was made.
type Problem struct {
	// Code names the kind of problem for machines. It is lower-case words with
	// hyphens between, and never changes its meaning.
	Code     string
	Severity Severity
	Meaning  string // what is so, and what comes of it, in full sentences
	Remedy   string // what to do about it, in full sentences
}

// Severity says how bad a problem is.
type Severity string

// The severities.
const (
	SeverityWarn Severity = "warn" // it works, but not as it should
	SeverityFail Severity = "fail" // something doesn't work, or is about not to
)

// String returns the problem for people: its meaning and its remedy.
func (p Problem) String() string { return p.Meaning + " " + p.Remedy }

package driver

// This file is the problems of a store or a manager, for people and machines.

// Problem is a fault, or a risk, of a store or of a manager's configuration.
type Problem struct {
	// Code names the kind of problem for machines. It is lower-case words with
	// hyphens between, and never changes its meaning.
	Code     string
	Severity Severity
	Meaning  string // the state and its consequences, in full sentences
	Remedy   string // the remedy, in full sentences
}

// Severity is the gravity of a problem.
type Severity string

// The severities.
const (
	SeverityInfo Severity = "info" // it works as configured, and is worth knowing
	SeverityWarn Severity = "warn" // it works, but not as it should
	SeverityFail Severity = "fail" // something doesn't work, or soon won't
)

// String returns the problem for people: its meaning and its remedy.
func (p Problem) String() string { return p.Meaning + " " + p.Remedy }

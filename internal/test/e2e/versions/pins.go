package versions

// pin is an earlier state of this repository whose formats have to be got along
// with.
type pin struct {
	commit string
	what   string
	keeps  bool // it keeps members of records that it doesn't know
	tells  bool // it tells a previous verifier that it can't check from a wrong one
}

// pins returns the states, oldest first. One is added when a format grows.
func pins() []pin {
	return []pin{
		{"45413e765ee65e9551c4104bf098ed4ace5e2c61", "before formats could grow", false, false},
		{"0c5d1fe9eecf76758b7304c73a4953fd7020d398", "format 1, with room to grow", true, false},
		{"34df98bfaf16dd500460dae181ba50451739786f", "one previous verifier, with no label of its own", true, true},
	}
}

package history

// Failure is a family that breaks a promise.
type Failure struct {
	Family  Family
	Verdict Verdict
}

func explain(f Family, v Verdict, _ Options) Failure { return Failure{f, v} }

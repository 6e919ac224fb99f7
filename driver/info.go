package driver

import "time"

// This file is Info: a record without its values, for applications.

// Info is a session's metadata: a record without its values and verifiers. For a session
// that isn't stored yet, all fields but App are zero. Its zero Deadline has not passed,
// though time.Until says so: look at the ID first.
type Info struct {
	ID            ID
	App           string
	Principal     string    // "" if nobody is signed in
	Created       time.Time // sign-in makes a new session
	Authenticated time.Time // zero if nobody is signed in
	Seen          time.Time // last activity, up to Config.TouchEvery ago
	Expires       time.Time // unless there is activity
	Deadline      time.Time // however active
	Persistent    bool      // the cookie outlives the browser's run
	Client        Client
}

// Info returns the record's metadata.
func (r *Record) Info() Info {
	return Info{r.ID, r.App, r.Principal, r.Created, r.Authenticated, r.Seen, r.Expires, r.Deadline, r.Persistent, r.Client}
}

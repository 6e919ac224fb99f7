package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is two members of Record.Extra that a sign-in sets: the idle timeout of the
// session's own, and the ledger's generation.

// OwnIdleOf returns the Record.Extra of a new session with an idle timeout of its own, in
// milliseconds (0: none), that is signed in under generation g. The verifier covers both,
// so they have to be there before it is made.
func OwnIdleOf(ms int64, g driver.WriteID) driver.ValueList {
	return withGeneration(nil, g).With(driver.ExtraIdle, strconv.AppendInt(nil, ms, 10))
}

// GenerationOf returns the generation of the ledger that a session was signed in under.
// It is zero if the ledger had none, if an older version made the record, or if the
// member can't be understood.
func GenerationOf(rec *driver.Record) (g driver.WriteID) {
	raw := rec.Extra.Get(driver.ExtraGeneration)
	var err error
	switch n := len(raw) - 1; {
	case raw == nil:
	case n > 0 && raw[0] == '"' && raw[n] == '"' && bytes.IndexByte(raw, '\\') < 0: // the form that is written, decoded at the least cost to a request
		err = g.UnmarshalText(raw[1:n])
	default:
		err = json.Unmarshal(raw, &g)
	}
	if err != nil {
		return driver.WriteID{}
	}
	return g
}

// withGeneration returns extra with the generation of a sign-in, which is left out if it
// is zero.
func withGeneration(extra driver.ValueList, g driver.WriteID) driver.ValueList {
	if g == (driver.WriteID{}) {
		return extra
	}
	return extra.With(driver.ExtraGeneration, fmt.Appendf(nil, "%q", g))
}

package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is what a sign-in puts into Record.Extra.

// OwnIdleOf returns what a new session has in Record.Extra that has an idle timeout of
// its own and is signed in under a generation: its verifier covers both, so they have to
// be there first.
func OwnIdleOf(ms int64, g driver.WriteID) driver.ValueList {
	return withGeneration(nil, g).With(driver.ExtraIdle, strconv.AppendInt(nil, ms, 10))
}

// GenerationOf returns the generation of the ledger that a session was signed in
// under. It is zero if the ledger had none, or an older version made the record.
func GenerationOf(rec *driver.Record) (g driver.WriteID) {
	raw := rec.Extra.Get(driver.ExtraGeneration)
	var err error
	switch n := len(raw) - 1; {
	case raw == nil:
	case n > 0 && raw[0] == '"' && raw[n] == '"' && bytes.IndexByte(raw, '\\') < 0: // as it is written; requests pay for it
		err = g.UnmarshalText(raw[1:n])
	default:
		err = json.Unmarshal(raw, &g)
	}
	if err != nil {
		return driver.WriteID{}
	}
	return g
}

// withGeneration returns what is in Extra with the generation of a sign-in.
func withGeneration(extra driver.ValueList, g driver.WriteID) driver.ValueList {
	if g == (driver.WriteID{}) {
		return extra
	}
	return extra.With(driver.ExtraGeneration, fmt.Appendf(nil, "%q", g))
}

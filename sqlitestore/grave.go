package sqlitestore

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the form of graves. The column grave has one as a JSON object:
//
//	{"reason": "replaced", "at": 1750000000000, "until": 1752592000000,
//	 "successor": "AZg…", "app": "shop", "principal": "alice", "writes": 8, "revs": ["…", …]}
//
// Times are Unix milliseconds. Members that this version doesn't know are the grave's
// Extra, and come last. Later versions add members to the object itself, and to no
// other. The other columns of the row are empty: an earlier version, which doesn't know
// app and principal, left them so, and so no search finds a grave.

type grave struct {
	Reason    driver.EndReason `json:"reason"`
	At        *int64           `json:"at,omitempty"`
	Until     *int64           `json:"until,omitempty"`
	Successor *driver.ID       `json:"successor,omitempty"`
	App       string           `json:"app,omitempty"`
	Principal string           `json:"principal,omitempty"`
	Writes    uint64           `json:"writes"`
	Revs      []driver.WriteID `json:"revs"`
}

// member returns the field of a member, nil if this version doesn't know it.
func (j *grave) member(name string) any {
	switch name {
	case "reason":
		return &j.Reason
	case "at":
		return &j.At
	case "until":
		return &j.Until
	case "successor":
		return &j.Successor
	case "app":
		return &j.App
	case "principal":
		return &j.Principal
	case "writes":
		return &j.Writes
	case "revs":
		return &j.Revs
	}
	return nil
}

func encodeGrave(g driver.Grave) (string, error) {
	millis := func(t time.Time) *int64 {
		if t.IsZero() {
			return nil
		}
		ms := t.UnixMilli()
		return &ms
	}
	j := grave{
		Reason: g.Reason, At: millis(g.At), Until: millis(g.Until), App: g.App, Principal: g.Principal,
		Writes: g.Writes, Revs: g.WriteIDs,
	}
	if !g.Successor.IsZero() {
		j.Successor = &g.Successor
	}
	text, err := json.Marshal(j)
	if err != nil || len(g.Extra) == 0 {
		return string(text), err
	}
	for _, v := range g.Extra {
		if j.member(v.Name) != nil {
			return "", fmt.Errorf("the name %q in Extra is one of the grave's own", v.Name)
		}
	}
	extra, err := encodeValues(g.Extra)
	if err != nil {
		return "", fmt.Errorf("in Extra: %w", err)
	}
	return strings.TrimSuffix(string(text), "}") + "," + strings.TrimPrefix(extra, "{"), nil
}

// decodeGrave is the inverse of encodeGrave.
func decodeGrave(text []byte) (*driver.Grave, error) {
	members, err := decodeValues(text)
	if err != nil {
		return nil, fmt.Errorf("its grave: %w", err)
	}
	var j grave
	var extra driver.ValueList
	for _, v := range members {
		into := j.member(v.Name)
		if into == nil {
			extra = append(extra, v)
		} else if err := json.Unmarshal(v.JSON, into); err != nil {
			return nil, fmt.Errorf("its grave: %s: %w", v.Name, err)
		}
	}
	time := func(ms *int64) (t time.Time) {
		if ms != nil {
			t = fromMillis(*ms)
		}
		return t
	}
	g := &driver.Grave{
		Reason: j.Reason, At: time(j.At), Until: time(j.Until), App: j.App, Principal: j.Principal,
		Writes: j.Writes, WriteIDs: j.Revs, Extra: extra,
	}
	if j.Successor != nil {
		g.Successor = *j.Successor
	}
	return g, nil
}

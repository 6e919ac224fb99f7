package storetest

import (
	"bytes"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is records to test with, and how two are told apart.

// newID makes an id of any layout. The package doc of cloakroom.ID says which
// bytes are which; those of derived ids come from a hash, here from chance.
func newID(l driver.Layout, t time.Time) driver.ID {
	id := driver.NewID(l, t)
	if l == driver.LayoutLedger || l == driver.LayoutImport {
		_, _ = crand.Read(id[:6]) // never fails (crypto/rand)
	}
	return id
}

func newWriteID() driver.WriteID {
	var w driver.WriteID
	_, _ = crand.Read(w[:]) // never fails (crypto/rand)
	return w
}

// record makes a record as it is after its first write: alive for an hour, and
// if it is seen again, for twelve.
func (e *env) record(l driver.Layout) *driver.Record { return e.recordAt(l, e.now) }

// recordAt is record for one that was created at the time t.
func (e *env) recordAt(l driver.Layout, t time.Time) *driver.Record {
	r := &driver.Record{
		ID:       newID(l, t),
		Kind:     driver.KindSession,
		App:      e.app,
		Created:  t,
		Seen:     t,
		Expires:  t.Add(time.Hour),
		Deadline: t.Add(12 * time.Hour),
		Verifier: []byte("a verifier of more than 16 bytes"),
		Writes:   1,
		WriteIDs: []driver.WriteID{newWriteID()},
	}
	if l == driver.LayoutLedger {
		r.Kind = driver.KindLedger
		r.Principal = "the principal of " + r.ID.String()
		r.Expires = r.Deadline
		r.Verifier = nil
	}
	// The record says which one it is, so that no two can be mixed up.
	r.Values = driver.NewValueList(map[string]json.RawMessage{"self": quote(r.ID.String())})
	return r
}

// next returns r with one more write to it, a second later.
func next(r *driver.Record) *driver.Record {
	n := clone(r)
	n.Writes++
	n.WriteIDs = push(n.WriteIDs, newWriteID())
	n.Seen = n.Seen.Add(time.Second)
	n.Values = n.Values.With("write", json.RawMessage(fmt.Sprint(n.Writes)))
	return n
}

func push(ids []driver.WriteID, w driver.WriteID) []driver.WriteID {
	ids = append([]driver.WriteID{w}, ids...)
	return ids[:min(len(ids), driver.MaxWriteIDs)]
}

// grave makes the grave that a record's session leaves when it is signed out.
func (e *env) grave(r *driver.Record) driver.Grave {
	return driver.Grave{
		Reason:    driver.EndDestroyed,
		At:        e.now.Add(time.Minute),
		Until:     r.Deadline,
		App:       r.App,
		Principal: r.Principal,
		Writes:    r.Writes + 1,
		WriteIDs:  push(r.WriteIDs, newWriteID()),
	}
}

// missing returns an id of which the store keeps nothing. It creates another
// record of the same layout and time first: a store that keeps records by
// periods may refuse to say "not found" about one that it has never seen.
func (e *env) missing(l driver.Layout) *driver.Record {
	e.Helper()
	e.mustCreate(e.record(l))
	return e.record(l)
}

// clone copies a record with all that it points to.
func clone(r *driver.Record) *driver.Record {
	c := *r
	c.Verifier = slices.Clone(r.Verifier)
	c.Previous = slices.Clone(r.Previous)
	c.WriteIDs = slices.Clone(r.WriteIDs)
	c.Values = cloneList(r.Values)
	c.Extra = cloneList(r.Extra)
	if r.Grave != nil {
		g := *r.Grave
		g.WriteIDs = slices.Clone(g.WriteIDs)
		g.Extra = cloneList(g.Extra)
		c.Grave = &g
	}
	return &c
}

func cloneList(l driver.ValueList) driver.ValueList {
	l = slices.Clone(l)
	for i := range l {
		l[i].JSON = slices.Clone(l[i].JSON)
	}
	return l
}

func quote(s string) json.RawMessage {
	b, _ := json.Marshal(s) // never fails for strings
	return b
}

// name names a record in messages.
func name(r *driver.Record) string {
	if r == nil {
		return "no record"
	}
	return r.ID.Layout().String() + " " + r.ID.String()
}

func describe(r *driver.Record) string {
	return fmt.Sprintf("%s, kind %q, app %q, principal %q, created %s, expires %s", name(r),
		r.Kind, cut(r.App), cut(r.Principal), stamp(r.Created), stamp(r.Expires))
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(time.RFC3339Nano)
}

func cut(s string) string {
	const most = 120
	if len(s) > most {
		return fmt.Sprintf("%s… (%d bytes)", s[:most], len(s))
	}
	return s
}

// differences collects what differs, a line each.
type differences []string

func (d *differences) add(field string, same bool, got, want any) {
	if !same {
		*d = append(*d, fmt.Sprintf("\t%s: got %s, want %s", field, cut(fmt.Sprintf("%q", fmt.Sprint(got))),
			cut(fmt.Sprintf("%q", fmt.Sprint(want)))))
	}
}

func (d *differences) time(field string, got, want time.Time) {
	d.add(field, got.Equal(want) && got.IsZero() == want.IsZero(), stamp(got), stamp(want))
	if _, offset := got.Zone(); offset != 0 {
		d.add(field+"'s zone", false, got.Location(), "UTC")
	}
}

// diff tells how two records differ, field by field; "" if they don't. Values
// are compared as JSON, nil slices and maps are as good as empty ones.
func diff(got, want *driver.Record) string {
	var d differences
	d.add("ID", got.ID == want.ID, got.ID, want.ID)
	d.add("Kind", got.Kind == want.Kind, got.Kind, want.Kind)
	d.add("App", got.App == want.App, got.App, want.App)
	d.add("Principal", got.Principal == want.Principal, got.Principal, want.Principal)
	d.time("Created", got.Created, want.Created)
	d.time("Authenticated", got.Authenticated, want.Authenticated)
	d.time("Seen", got.Seen, want.Seen)
	d.time("Expires", got.Expires, want.Expires)
	d.time("Deadline", got.Deadline, want.Deadline)
	d.add("Verifier", bytes.Equal(got.Verifier, want.Verifier), got.Verifier, want.Verifier)
	d.add("Previous", bytes.Equal(got.Previous, want.Previous), got.Previous, want.Previous)
	d.time("PreviousEnds", got.PreviousEnds, want.PreviousEnds)
	d.add("Persistent", got.Persistent == want.Persistent, got.Persistent, want.Persistent)
	d.add("Client", got.Client == want.Client, got.Client, want.Client)
	d.add("Writes", got.Writes == want.Writes, got.Writes, want.Writes)
	d.add("WriteIDs", slices.Equal(got.WriteIDs, want.WriteIDs), got.WriteIDs, want.WriteIDs)
	d.add("Version", got.Version == want.Version, got.Version, want.Version)
	d.add("Grave", (got.Grave == nil) == (want.Grave == nil), got.Grave, want.Grave)
	d.list("Values", got.Values, want.Values)
	d.list("Extra", got.Extra, want.Extra)
	return strings.Join(d, "\n")
}

// list compares lists of values, in whatever order those of the test are.
func (d *differences) list(field string, got, want driver.ValueList) {
	want = driver.SortValues(slices.Clone(want))
	for k, v := range want.All() {
		is := got.Get(k)
		if is == nil {
			d.add(fmt.Sprintf("%s[%q]", field, cut(k)), false, "nothing", string(v))
			continue
		}
		if err := sameJSON(is, v); err != nil {
			d.add(fmt.Sprintf("%s[%q] (%v)", field, cut(k), err), false, string(is), string(v))
		}
	}
	for i, v := range got {
		if want.Get(v.Name) == nil {
			d.add(fmt.Sprintf("%s[%q]", field, cut(v.Name)), false, string(v.JSON), "nothing")
		}
		if i > 0 && got[i-1].Name >= v.Name {
			d.add(fmt.Sprintf("%s[%d]", field, i), false, "not sorted, or there twice", "a list that SortValues returns")
		}
	}
}

func diffGrave(got, want driver.Grave) string {
	var d differences
	d.add("Reason", got.Reason == want.Reason, got.Reason, want.Reason)
	d.time("At", got.At, want.At)
	d.time("Until", got.Until, want.Until)
	d.add("Successor", got.Successor == want.Successor, got.Successor, want.Successor)
	d.add("App", got.App == want.App, got.App, want.App)
	d.add("Principal", got.Principal == want.Principal, got.Principal, want.Principal)
	d.add("Writes", got.Writes == want.Writes, got.Writes, want.Writes)
	d.add("WriteIDs", slices.Equal(got.WriteIDs, want.WriteIDs), got.WriteIDs, want.WriteIDs)
	d.list("Extra", got.Extra, want.Extra)
	return strings.Join(d, "\n")
}

// sameJSON tells how two JSON texts differ in meaning. White space, the order
// of members and the spelling of strings don't matter; that of numbers does,
// since it is all that tells 1.0 from 1 and one big number from the next.
func sameJSON(got, want json.RawMessage) error {
	a, err := decode(got)
	if err != nil {
		return faultf("not JSON: %w", err)
	}
	b, err := decode(want)
	if err != nil {
		return faultf("the test's own value is not JSON: %w", err)
	}
	if !reflect.DeepEqual(a, b) {
		return errors.New("not the same value")
	}
	return nil
}

func decode(text json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return v, nil
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the records of cases that compare stores.

// records are the contents of stores in cases that compare them: sessions with the
// application's values.
type records struct {
	store  cloakroom.Store
	reader cloakroom.Store  // the store that the check reads by
	all    []*driver.Record // as last acknowledged; each belongs to one caller
}

func newRecord(i int, made time.Time) *driver.Record {
	made = made.UTC().Truncate(time.Millisecond)
	quote := func(s string) json.RawMessage { b, _ := json.Marshal(s); return b }
	r := &driver.Record{
		ID: driver.NewID(driver.LayoutDay, made), Kind: driver.KindSession, App: "shop", Principal: principal(i),
		Created: made, Authenticated: made, Seen: made, Expires: made.Add(24 * time.Hour), Deadline: made.Add(30 * 24 * time.Hour),
		Verifier: make([]byte, 34), Client: cloakroom.Client{Address: "203.0.113.7", UserAgent: userAgent},
		Values: driver.NewValueList(map[string]json.RawMessage{
			"visits": json.RawMessage("0"), "cart": quote(cart), "lang": quote(lang), "theme": quote(theme), "csrf": quote(csrf),
		}),
	}
	for range driver.MaxWriteIDs {
		advance(r)
	}
	r.Writes = 0
	return r
}

func principal(i int) string { return "user" + strconv.Itoa(i) }

// advance changes r as a request's save does, except for the values.
func advance(r *driver.Record) {
	r.WriteIDs = r.ExpiredGrave(time.Time{}).WriteIDs // a new one in front
	r.Writes++
}

// fill creates n records.
func fill(ctx context.Context, store cloakroom.Store, n int, made time.Time) (*records, error) {
	return fillFrom(ctx, store, 0, n, made)
}

// fillFrom creates n records, with numbers from first on.
func fillFrom(ctx context.Context, store cloakroom.Store, first, n int, made time.Time) (*records, error) {
	rs := &records{store, store, make([]*driver.Record, n)}
	err := share(ctx, 256, n, func(ctx context.Context, i int) error {
		r := newRecord(first+i, made)
		v, err := store.Create(ctx, r)
		r.Version = v
		rs.all[i] = r
		return err
	})
	return rs, err
}

// own returns a record of a caller's.
func (rs *records) own(caller, callers, turn int) **driver.Record {
	each := len(rs.all) / callers
	return &rs.all[caller*each+turn*7%each]
}

// reads lets callers read records, and checks the results.
func (rs *records) reads(callers int) func(ctx context.Context, caller, turn int) error {
	return func(ctx context.Context, caller, turn int) error {
		want := *rs.own(caller, callers, turn)
		got, err := rs.store.Get(ctx, want.ID)
		if err != nil {
			return err
		}
		return same(got, want)
	}
}

// saves lets each caller save records of its own, by compare-and-set.
func (rs *records) saves(callers int) func(ctx context.Context, caller, turn int) error {
	return func(ctx context.Context, caller, turn int) error {
		return rs.save(ctx, rs.own(caller, callers, turn))
	}
}

func (rs *records) save(ctx context.Context, at **driver.Record) error {
	r := **at
	advance(&r)
	r.Seen = r.Seen.Add(time.Millisecond)
	v, err := rs.store.Update(ctx, &r)
	r.Version = v
	if err == nil {
		*at = &r
	}
	return err
}

// check reads every record.
func (rs *records) check(ctx context.Context) error {
	return share(ctx, 64, len(rs.all), func(ctx context.Context, i int) error {
		got, err := rs.reader.Get(ctx, rs.all[i].ID)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(got.Values, rs.all[i].Values) {
			return errLost
		}
		return same(got, rs.all[i])
	})
}

func same(got, want *driver.Record) error {
	if got.ID != want.ID || got.Principal != want.Principal || got.Writes != want.Writes {
		return fmt.Errorf("session %v is at write %d of %s in place of %d of %s", want.ID, got.Writes, got.Principal, want.Writes, want.Principal)
	}
	return nil
}

// side measures an operation of callers that work for a round's time.
func (b *Bench) side(name, settings string, callers int, op func(ctx context.Context, caller, turn int) error, check func(context.Context) error) Side {
	return Side{Name: name, Settings: settings, Check: check, Round: func(ctx context.Context) (Result, error) {
		return closed(ctx, b.span(), callers, op)
	}}
}

// lots returns a side whose operations each stand for many.
func (b *Bench) lots(name, settings string, callers, many int, op func(ctx context.Context, caller, turn int) error, check func(context.Context) error) Side {
	return Side{Name: name, Settings: settings, Check: check, Round: func(ctx context.Context) (Result, error) {
		r, err := closed(ctx, b.span(), callers, op)
		if err != nil {
			return r, err
		}
		n := float64(many)
		metrics := map[string]float64{perOp: r.Metrics[perOp] / n, perSec: r.Metrics[perSec] * n}
		if v, ok := r.Metrics[perOpCPU]; ok {
			metrics[perOpCPU] = v / n
		}
		return Result{N: r.N * many, Metrics: metrics}, nil
	}}
}

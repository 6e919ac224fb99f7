package brokenstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cloakroom-go/cloakroom/driver"
)

// editing keeps something else than it was given.
type editing struct {
	driver.Store
	edit edit
}

// edit changes copies of what a store is given. What they point to is shared.
type edit struct {
	record func(*driver.Record) error
	grave  func(*driver.Grave)
}

func (s editing) changed(r *driver.Record) (*driver.Record, error) {
	kept := *r
	if s.edit.record == nil {
		return &kept, nil
	}
	return &kept, s.edit.record(&kept)
}

func (s editing) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	kept, err := s.changed(r)
	if err != nil {
		return driver.Version{}, err
	}
	return s.Store.Create(ctx, kept)
}

func (s editing) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	kept, err := s.changed(r)
	if err != nil {
		return driver.Version{}, err
	}
	return s.Store.Update(ctx, kept)
}

func (s editing) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	if s.edit.grave != nil {
		s.edit.grave(&g)
	}
	return s.Store.Bury(ctx, id, g, v)
}

func oneWriteID() edit {
	return edit{
		record: func(r *driver.Record) error { r.WriteIDs = r.WriteIDs[:min(len(r.WriteIDs), 1)]; return nil },
		grave:  func(g *driver.Grave) { g.WriteIDs = g.WriteIDs[:min(len(g.WriteIDs), 1)] },
	}
}

func graveWithoutWriteIDs() edit { return edit{grave: func(g *driver.Grave) { g.WriteIDs = nil }} }

func graveShort() edit { return edit{grave: func(g *driver.Grave) { g.Until = g.At }} }

func noGeneration() edit { return edit{record: withoutField("generation")} }

func noEnding() edit { return edit{record: withoutField("ending")} }

// withoutField takes a field out of ledgers.
func withoutField(name string) func(*driver.Record) error {
	return func(r *driver.Record) error {
		fields, err := ledgerFields(r)
		if err != nil || fields == nil {
			return err
		}
		delete(fields, name)
		raw, err := json.Marshal(fields)
		if err != nil {
			return err
		}
		r.Values = driver.ValueList{{Name: ledgerValue, JSON: raw}}
		return nil
	}
}

// ledgerValue is the one value of a ledger's record.
const ledgerValue = "ledger"

// ledgerFields returns the fields of a ledger's value, nil for other records.
func ledgerFields(r *driver.Record) (map[string]json.RawMessage, error) {
	if r.Kind != driver.KindLedger {
		return nil, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(r.Values.Get(ledgerValue), &fields); err != nil {
		return nil, fmt.Errorf("brokenstore: ledger %v: %w", r.ID, err)
	}
	return fields, nil
}

// noVersion is the version that writes get which are not kept.
func noVersion(r *driver.Record) driver.Version {
	return driver.Version{Term: forcedTerm, Seq: r.Writes}
}

type noLedger struct{ driver.Store }

func (s noLedger) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if r.Kind == driver.KindLedger {
		return noVersion(r), nil
	}
	return s.Store.Create(ctx, r)
}

func (s noLedger) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if r.Kind == driver.KindLedger {
		return noVersion(r), nil
	}
	return s.Store.Update(ctx, r)
}

type revokeMissing struct{ driver.Store }

func (s revokeMissing) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	fields, err := ledgerFields(r)
	switch {
	case err != nil:
		return driver.Version{}, err
	case fields != nil && fields["live"] == nil && fields["ending"] == nil:
		return noVersion(r), nil
	}
	return s.Store.Create(ctx, r)
}

package brokenstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cloakroom-go/cloakroom"
)

// editing keeps something else than it was given.
type editing struct {
	cloakroom.Store
	edit edit
}

// edit changes copies of what a store is given. What they point to is shared.
type edit struct {
	record func(*cloakroom.Record) error
	grave  func(*cloakroom.Grave)
}

func (s editing) changed(r *cloakroom.Record) (*cloakroom.Record, error) {
	kept := *r
	if s.edit.record == nil {
		return &kept, nil
	}
	return &kept, s.edit.record(&kept)
}

func (s editing) Create(ctx context.Context, r *cloakroom.Record) (cloakroom.Version, error) {
	kept, err := s.changed(r)
	if err != nil {
		return cloakroom.Version{}, err
	}
	return s.Store.Create(ctx, kept)
}

func (s editing) Update(ctx context.Context, r *cloakroom.Record) (cloakroom.Version, error) {
	kept, err := s.changed(r)
	if err != nil {
		return cloakroom.Version{}, err
	}
	return s.Store.Update(ctx, kept)
}

func (s editing) Bury(ctx context.Context, id cloakroom.ID, g cloakroom.Grave, v cloakroom.Version) error {
	if s.edit.grave != nil {
		s.edit.grave(&g)
	}
	return s.Store.Bury(ctx, id, g, v)
}

func oneRev() edit {
	return edit{
		record: func(r *cloakroom.Record) error { r.Revs = r.Revs[:min(len(r.Revs), 1)]; return nil },
		grave:  func(g *cloakroom.Grave) { g.Revs = g.Revs[:min(len(g.Revs), 1)] },
	}
}

func graveWithoutRevs() edit { return edit{grave: func(g *cloakroom.Grave) { g.Revs = nil }} }

func graveShort() edit { return edit{grave: func(g *cloakroom.Grave) { g.Until = g.At }} }

func noGeneration() edit { return edit{record: withoutField("generation")} }

func noEnding() edit { return edit{record: withoutField("ending")} }

// withoutField takes a field out of ledgers.
func withoutField(name string) func(*cloakroom.Record) error {
	return func(r *cloakroom.Record) error {
		fields, err := ledgerFields(r)
		if err != nil || fields == nil {
			return err
		}
		delete(fields, name)
		raw, err := json.Marshal(fields)
		if err != nil {
			return err
		}
		r.Values = cloakroom.ValueList{{Name: ledgerValue, JSON: raw}}
		return nil
	}
}

// ledgerValue is the one value of a ledger's record.
const ledgerValue = "ledger"

// ledgerFields returns the fields of a ledger's value, nil for other records.
func ledgerFields(r *cloakroom.Record) (map[string]json.RawMessage, error) {
	if r.Kind != cloakroom.KindLedger {
		return nil, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(r.Values.Get(ledgerValue), &fields); err != nil {
		return nil, fmt.Errorf("brokenstore: ledger %v: %w", r.ID, err)
	}
	return fields, nil
}

// noVersion is the version that writes get which are not kept.
func noVersion(r *cloakroom.Record) cloakroom.Version {
	return cloakroom.Version{Term: forcedTerm, Seq: r.Writes}
}

type noLedger struct{ cloakroom.Store }

func (s noLedger) Create(ctx context.Context, r *cloakroom.Record) (cloakroom.Version, error) {
	if r.Kind == cloakroom.KindLedger {
		return noVersion(r), nil
	}
	return s.Store.Create(ctx, r)
}

func (s noLedger) Update(ctx context.Context, r *cloakroom.Record) (cloakroom.Version, error) {
	if r.Kind == cloakroom.KindLedger {
		return noVersion(r), nil
	}
	return s.Store.Update(ctx, r)
}

type revokeMissing struct{ cloakroom.Store }

func (s revokeMissing) Create(ctx context.Context, r *cloakroom.Record) (cloakroom.Version, error) {
	fields, err := ledgerFields(r)
	switch {
	case err != nil:
		return cloakroom.Version{}, err
	case fields != nil && fields["live"] == nil && fields["ending"] == nil:
		return noVersion(r), nil
	}
	return s.Store.Create(ctx, r)
}

package cloakroom

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is the end of foreign sessions: what a record keeps so that one is retired
// later, and what else ends one.

// retire ends the foreign session as it was read last.
func (v *importVisit) retire(ctx context.Context) error {
	return v.m.config.Import.From.Retire(ctx, v.t, v.foreign.Version)
}

// pendingImport is what a record keeps, sealed, of the foreign session that isn't retired
// yet.
type pendingImport struct {
	Importer   string           `json:"importer"`
	ID         string           `json:"id"`
	Credential string           `json:"credential"`
	Rest       string           `json:"rest,omitempty"`
	Version    string           `json:"version"`
	Digests    protocol.Digests `json:"digests"`
}

// pending seals that for the foreign session as it was read last.
func (v *importVisit) pending() (string, error) {
	m := v.m
	plain, err := json.Marshal(pendingImport{m.config.Import.From.Name(), v.t.ID, v.t.Credential, v.t.Rest, v.foreign.Version, protocol.DigestsOf(v.foreign.list())})
	if err != nil {
		return "", err
	}
	sealed, err := m.keyring.ring.Load().Seal(m.config.App, m.records.ImportID(v.name()), plain)
	if err != nil {
		return "", fmt.Errorf("cloakroom: sealing: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

// retireForeign retires the foreign session of the request's imported one, if that is
// left to do. It comes with a write that the request has made anyway, so not too often, and
// nobody waits for it.
func (q *request) retireForeign() {
	m, s := q.m, q.consulted()
	if m.config.Import == nil || s == nil {
		return
	}
	s.mu.Lock()
	rec, due := s.rec, s.stored && !s.gone && (s.wrote || s.touched)
	s.mu.Unlock()
	if !due || !m.records.RetireDue(rec) {
		return
	}
	if v, digests := m.pendingOf(rec); v != nil {
		m.records.RetireImported(v.importing(), rec, digests)
	}
}

// pendingOf returns what is to be retired of a record's foreign session, with the digests
// of its values. It is nil if nothing is, or if that is sealed by a key, or of an importer,
// that this configuration hasn't.
func (m *Manager) pendingOf(rec *driver.Record) (*importVisit, protocol.Digests) {
	sealed, err := base64.StdEncoding.DecodeString(protocol.PendingOf(rec))
	if err != nil || len(sealed) == 0 || m.config.Import == nil {
		return nil, nil
	}
	var p pendingImport
	plain, err := m.keyring.ring.Load().Open(m.config.App, rec.ID, sealed)
	if err == nil {
		err = json.Unmarshal(plain, &p)
	}
	if err != nil || p.Importer != m.config.Import.From.Name() {
		return nil, nil
	}
	return &importVisit{m: m, t: ForeignToken{p.ID, p.Credential, p.Rest}, foreign: &ForeignSession{Version: p.Version}}, p.Digests
}

// retireEnded ends the foreign session of an imported one that has just been signed out, or
// replaced by a sign-in, if that is left to do. No request of that session will. A failure
// is none: the foreign session opens nothing here, but processes of its library go on with
// it.
func (m *Manager) retireEnded(ctx context.Context, rec *driver.Record) {
	if v, _ := m.pendingOf(rec); v != nil {
		v.retireWhatever(ctx)
	}
}

// retireWhatever ends the foreign session at its library, whatever has become of it since
// it was read. It takes half of the time that a save has at most: who signs in or out
// doesn't need the library for it.
func (v *importVisit) retireWhatever(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), v.m.config.SaveTimeout/2)
	defer cancel()
	for range maxImports {
		if err := v.retire(ctx); !errors.Is(err, ErrConflict) {
			return
		}
		if _, err := v.load(ctx); err != nil {
			return
		}
	}
}

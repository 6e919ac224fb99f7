package scsstore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/cloakroom-go/cloakroom"
)

// This file is CheckQuiet: what can be known of old processes that still run.

// CheckQuiet checks that no old process saves any more. It reads all sessions of the old
// store, waits, reads them again, and returns an error if some have been made or have
// changed meanwhile. Others may import during the check. Call it in a new process before
// it serves requests, with a wait in which an old process would surely save something:
// where scs has an IdleTimeout, each of its requests with a session does. That none did
// proves nothing for a site that few visit.
//
// The store has to be an scs.IterableStore or IterableCtxStore, or the error is
// errors.ErrUnsupported. It returns all sessions at once: mind their number. That is also
// the error for a Store of this package whose manager doesn't hash tokens. It isn't needed
// there, as no save gets lost. Don't set HashTokenInStore for it: scs would then find none
// of the sessions that it has.
func (i *Importer) CheckQuiet(ctx context.Context, wait time.Duration) error {
	first, err := i.states(ctx)
	if err != nil {
		return err
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return fmt.Errorf("scsstore: looking for old processes: %w", ctx.Err())
	}
	second, err := i.states(ctx)
	if err != nil {
		return err
	}
	changed := 0
	for key, state := range second {
		if before, there := first[key]; !there || before != state {
			changed++
		}
	}
	if changed > 0 {
		return fmt.Errorf("scsstore: old processes still run, and what they save may get lost: stop them first. Sessions that were saved at scs within %v: %d", wait, changed)
	}
	return nil
}

// states returns digests of all sessions in the old store, by digests of their keys.
func (i *Importer) states(ctx context.Context) (map[[sha256.Size]byte][sha256.Size]byte, error) {
	var all map[string][]byte
	var err error
	switch s := i.old.Store.(type) {
	case scs.IterableCtxStore:
		all, err = s.AllCtx(ctx)
	case scs.IterableStore:
		all, err = await(ctx, s.All)
	default:
		return nil, fmt.Errorf("scsstore: a %T can't return all its sessions: %w", s, errors.ErrUnsupported)
	}
	switch {
	case errors.Is(err, ErrNoTokens):
		return nil, fmt.Errorf("scsstore: a Store can't return its sessions, as scs doesn't hash their tokens: %w: nothing is lost if old processes still run, since their saves have versions here", errors.ErrUnsupported)
	case err != nil:
		return nil, fmt.Errorf("scsstore: reading at scs: %w: %w", cloakroom.ErrUnavailable, err)
	}
	states := make(map[[sha256.Size]byte][sha256.Size]byte, len(all))
	for key, stored := range all {
		states[sha256.Sum256([]byte(key))] = sha256.Sum256(stored)
	}
	return states, nil
}

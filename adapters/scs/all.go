package scsstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is All: the list of live sessions, where scs hashes tokens.

// ErrNoTokens is the error of All where the records keep no tokens.
var ErrNoTokens = errors.New("the database keeps no tokens, as it would open every session: to list sessions, set HashTokenInStore of the scs.SessionManager, which then finds none of the sessions that it has, and Config.Manager of the store to that manager")

// All returns the data of all live sessions, by the hashes that scs made of their tokens.
// It holds all of them in memory.
//
// Find and Delete of the Store take such a hash. The manager's own Destroy and
// Commit, called within scs.SessionManager.Iterate, don't: scs hashes once more what it
// got as a token, and so ends nothing.
//
// Errors: ErrNoTokens, the manager doesn't hash, or Config.Manager is nil;
// driver.ErrUnavailable, the database didn't answer; driver.ErrCorrupt, a session's data
// can't be understood.
func (s *Store) All() (map[string][]byte, error) { return s.AllCtx(context.Background()) }

// AllCtx is All with a context. Config.Timeout doesn't bound it.
func (s *Store) AllCtx(ctx context.Context) (map[string][]byte, error) {
	if !s.hashes() {
		return nil, fmt.Errorf("scsstore: listing sessions: %w", ErrNoTokens)
	}
	if r, ok := s.db.(driver.Refresher); ok { // otherwise the list would trail
		if err := r.Refresh(ctx); err != nil {
			return nil, fmt.Errorf("scsstore: listing sessions: %w", err)
		}
	}
	now := s.config.Now()
	all := map[string][]byte{}
	for rec, err := range s.db.Search(ctx, driver.Query{App: s.config.App, ExpiresFrom: now.Truncate(time.Millisecond)}) {
		if err != nil {
			return nil, fmt.Errorf("scsstore: listing sessions: %w", err)
		}
		token, ok := tokenOf(rec)
		if !ok || isOver(rec, now) {
			continue
		}
		data, err := dataOf(rec)
		if err != nil {
			return nil, err
		}
		all[token] = data
	}
	return all, nil
}

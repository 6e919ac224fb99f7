package scsstore

import (
	"context"
	"fmt"

	"github.com/cloakroom-go/cloakroom"
)

// This file is what an Importer does at the old store: it reads a session and retires it.

// Load implements cloakroom.Importer. The version is a digest of what is stored, since
// stores of scs have none.
func (i *Importer) Load(ctx context.Context, t cloakroom.ForeignToken) (*cloakroom.ForeignSession, error) {
	stored, found, err := i.find(ctx, t.Credential)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, fmt.Errorf("scsstore: no session at scs: %w", cloakroom.ErrNotFound)
	}
	deadline, values, err := i.old.Codec.Decode(stored)
	if err != nil {
		return nil, fmt.Errorf("scsstore: decoding a session of scs: %w: with gob, each type of a value has to be registered, under the name that it had (gob.Register): %w", cloakroom.ErrUnavailable, err)
	}
	f := &cloakroom.ForeignSession{
		Version: digest(stored), Deadline: deadline,
		Remember: i.old.Cookie.Persist, IdleTimeout: i.old.IdleTimeout,
	}
	if own, _ := values[rememberName].(bool); own {
		f.Remember = true
	}
	if f.IdleTimeout <= 0 {
		f.IdleTimeout = -1 // scs has none then, and the Manager may have one
	}
	f.Values, err = i.encode(values)
	return f, err
}

// Retire implements cloakroom.Importer.
//
// There is a gap between the look at the session and its deletion, which no store of scs
// can close. So there is a second look.
//
// If the answer of Delete is lost, and the session isn't there any more, the result is
// nil: it was this Delete, for all anybody can know. If it is there, the Delete may still
// come. Then the result isn't ErrConflict, upon which the import would look again at
// once, find nothing, and sign the visitor out. It is tried again later, when ErrNotFound
// does no harm.
//
// A Store of this package has versions, so all of that is needless there.
func (i *Importer) Retire(ctx context.Context, t cloakroom.ForeignToken, version string) error {
	if s, ok := i.old.Store.(*Store); ok {
		return s.retire(ctx, i.key(t.Credential), func(data []byte) bool { return digest(data) == version })
	}
	stored, found, err := i.find(ctx, t.Credential)
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("scsstore: the session was ended at scs: %w", cloakroom.ErrNotFound)
	case digest(stored) != version:
		return errChanged()
	}
	if err := i.remove(ctx, t.Credential); err != nil {
		if _, found, e := i.find(ctx, t.Credential); e == nil && !found {
			return nil
		}
		return err
	}
	stored, found, _ = i.find(ctx, t.Credential) // if it fails: the deletion was acknowledged
	switch {
	case !found:
		return nil
	case digest(stored) == version:
		return fmt.Errorf("scsstore: the session is still at scs after Delete: %w: the store doesn't delete, or reads are late, or an old process has saved the session again", cloakroom.ErrUnavailable)
	}
	return errChanged()
}

func errChanged() error {
	return fmt.Errorf("scsstore: an old process has saved the session meanwhile: %w", cloakroom.ErrConflict)
}

// key returns what the old store knows a token's session by.
func (i *Importer) key(token string) string {
	if i.old.HashTokenInStore {
		return digest([]byte(token)) // as scs makes it
	}
	return token
}

// find reads what is stored for a token. Each error is an outage, whatever it wraps.
func (i *Importer) find(ctx context.Context, token string) (stored []byte, found bool, err error) {
	key := i.key(token)
	if s, ok := i.old.Store.(interface {
		FindCtx(context.Context, string) ([]byte, bool, error)
	}); ok {
		stored, found, err = s.FindCtx(ctx, key)
	} else {
		type answer struct {
			stored []byte
			found  bool
		}
		var a answer
		a, err = await(ctx, func() (a answer, err error) {
			a.stored, a.found, err = i.old.Store.Find(key)
			return a, err
		})
		stored, found = a.stored, a.found
	}
	if err != nil {
		return nil, false, fmt.Errorf("scsstore: reading at scs: %w: %v", cloakroom.ErrUnavailable, err) //nolint:errorlint // not to be told by errors.Is
	}
	return stored, found, nil
}

// remove deletes a token's session. After an error it may be deleted, or be so later.
func (i *Importer) remove(ctx context.Context, token string) (err error) {
	key := i.key(token)
	if s, ok := i.old.Store.(interface {
		DeleteCtx(context.Context, string) error
	}); ok {
		err = s.DeleteCtx(ctx, key)
	} else {
		_, err = await(ctx, func() (struct{}, error) { return struct{}{}, i.old.Store.Delete(key) })
	}
	if err != nil {
		return fmt.Errorf("scsstore: deleting at scs: %w: %v", cloakroom.ErrUnavailable, err) //nolint:errorlint // as above
	}
	return nil
}

// await waits for a call that knows no context, until ctx ends. Then the call goes on by
// itself: a store that hangs must not hold the requests of a Manager for longer than
// Config.SaveTimeout.
func await[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type outcome struct {
		answer T
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		a, err := do()
		done <- outcome{a, err}
	}()
	select {
	case o := <-done:
		return o.answer, o.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

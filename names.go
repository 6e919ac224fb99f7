package cloakroom

import (
	"fmt"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the names of package driver that applications see: Store, ID, Info,
// Client, and the reasons of an end.

// Store keeps sessions: a *sqlitestore.Store, *elasticstore.Store or
// *memstore.Store, or one of your own. Its methods are for the Manager alone.
type Store = driver.Store

// ID names a session. It is no credential: it may be shown, logged and put into
// URLs.
type ID = driver.ID

// ParseID reads an id from its text, as a client sends it back.
//
// ErrNotFound: the text is no id's, so there is no session of that id, and Fail answers
// as for a session that has ended.
func ParseID(s string) (ID, error) {
	id, err := driver.ParseID(s)
	if err != nil {
		return ID{}, fmt.Errorf("cloakroom: %w: %w", err, ErrNotFound)
	}
	return id, nil
}

// Info is a session's metadata, all but its values: ID, App, Principal, Created,
// Authenticated, Seen, Expires, Deadline, Persistent and Client.
type Info = driver.Info

// Client is the client that used a session last, as far as the server can see: Address
// and UserAgent.
type Client = driver.Client

// EndReason says why a session ended.
type EndReason = driver.EndReason

// The reasons.
const (
	EndDestroyed = driver.EndDestroyed // signed out, or ended by the application
	EndReplaced  = driver.EndReplaced  // a sign-in moved it to a new session
	EndRevoked   = driver.EndRevoked   // ended from elsewhere, such as signed out everywhere
	EndOverLimit = driver.EndOverLimit // a sign-in found that the principal had too many
	EndExpired   = driver.EndExpired   // found idle for too long
	EndAbandoned = driver.EndAbandoned // a sign-in that failed took back its new session
)

// MaxLifetime is the longest lifetime that a session can be given: 400 days.
const MaxLifetime = driver.MaxLifetime

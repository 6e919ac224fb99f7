package cloakroom

// This file is the dropping of changes that haven't been saved.

// Discard drops the changes that haven't been saved, and values that couldn't be encoded
// or decoded, which Err told of. The session reads as it was last read or saved, and a
// session that isn't stored yet is empty. What has been done stays done: saves, a
// sign-in, a renewal, a sign-out. It waits for a save that is under way.
//
// It is for who goes on where something failed halfway. A handler, or a router inside
// Manager.Handler, that recovers from a panic is one: whatever had been changed by then
// is saved with its answer, as if nothing had happened, unless it calls Discard.
//
// An error that no further save can mend stays, and Err tells it: above all a save whose
// outcome is unknown (ErrUnknown), since what became of that no Discard can tell. The
// request is answered with it.
func (s *Session) Discard() {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops, s.errs = nil, nil
	s.project(s.rec.Values)
}

package cloakroom

// This file is Discard: the dropping of changes that haven't been saved.

// Discard drops the changes that haven't been saved, and the errors of values that
// couldn't be encoded or decoded (Err). The session reads as it was last read or saved. A
// session that isn't stored yet is empty. Discard undoes nothing: saves, a sign-in, a
// renewal or a sign-out stay. It waits for a save that is under way.
//
// It is for a caller that goes on after something failed halfway, such as a handler, or a
// router inside Manager.Handler, that recovers from a panic. Without Discard the changes
// made by then are saved with its answer, as if nothing had happened.
//
// An error that no further save can mend stays in Err, and the request is answered with
// it. That is above all a save whose outcome is unknown (ErrUnknown): no Discard can tell
// whether it happened.
func (s *Session) Discard() {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops, s.errs = nil, nil
	s.project(s.rec.Values)
}

package cloakroom

// This file is having the client forget its token.

// Forget has the response tell the client to forget its token, and ends nothing: what
// a page does whose visitor was signed out (Ended), so that requests no longer bring a
// token that opens nothing. Changes that haven't been saved are dropped, and the Session
// is a new, empty one, as after Destroy: a value that is set begins another. A live
// session goes on without this client; use Destroy to end it.
//
// A client has one place for its token, so to have it forgotten takes away whatever is
// there when the answer arrives. In a request that comes late, just after its session
// was signed out or replaced by a sign-in (Config.RenewGrace), that may be the next
// sign-in's. So there Forget does nothing. It can't know of a sign-in in another tab
// while this request lasts: call it where a visitor asks for something, such as in the
// page to sign in, and not in what pages load by themselves.
//
// Outside of a request nobody is told. It waits for a save that is under way.
//
// ErrTooLate: the response had begun, and nothing was done. ErrConflict: the request
// came with the tokens of several live sessions, or with more than are looked at; to
// forget one would leave the others. Destroy ends the former.
func (s *Session) Forget() error {
	s.saving.Lock()
	defer s.saving.Unlock()
	if err := s.q.claim(s, "have the client forget its token"); err != nil {
		return err
	}
	return s.q.release(s.forget())
}

func (s *Session) forget() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.barred != nil && (s.barred.many || s.barred.rivals != nil):
		return s.barred.err
	case s.barred != nil, s.gone && !s.endedElsewhere(): // the client may hold another's token by now
		return nil
	}
	replaced := s.replaced
	s.reset()
	s.replaced = replaced // who signs in now may repeat a sign-in, as before
	s.q.revoke(s)
	return nil
}

// endedElsewhere reports whether the session is known to have ended without that a
// client was told of it, or got another token.
func (s *Session) endedElsewhere() bool {
	return s.end != nil && s.end.Reason != EndReplaced && s.end.Reason != EndDestroyed
}

package cloakroom

// This file is Forget: having the client forget its token without ending the session.

// Forget has the response tell the client to forget its token, and ends nothing. It is
// for a page whose visitor was signed out (Ended), so that requests no longer bring a
// token that opens nothing. Changes that haven't been saved are dropped. The Session is a
// new, empty one afterwards, as after Destroy: setting a value begins another. A live
// session goes on without this client; use Destroy to end it.
//
// A client has one place for its token, so it forgets the token that is there when the
// answer arrives. In a late request, just after its session was signed out or replaced by
// a sign-in (Config.RenewGrace), that may be the next sign-in's, so there Forget does
// nothing. It can't know of a sign-in in another tab while this request lasts. So call it
// where a visitor asks for something, such as in the page to sign in, and not in requests
// that pages make by themselves.
//
// Outside of a request no client is told. Forget waits for a save that is under way.
//
// ErrTooLate: the response had begun, and nothing was done. ErrConflict: the request came
// with the tokens of several live sessions, or with more than are looked at; to forget
// one would leave the others. In the first case Destroy ends them.
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
	s.replaced = replaced // a sign-in may still repeat the one that replaced it
	s.q.revoke(s)
	return nil
}

// endedElsewhere reports whether the session is known to have ended in a way that told no
// client of it and gave none another token.
func (s *Session) endedElsewhere() bool {
	return s.end != nil && s.end.Reason != EndReplaced && s.end.Reason != EndDestroyed
}

package devices

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the forms: the end of one session, of all others, and of all.

// The fields "do" of the forms.
const (
	doEnd       = "end"
	doEndOthers = "end-others"
	doEndAll    = "end-all"
)

// maxForm bounds the bytes of a form.
const maxForm = 4 << 10

// post does what a form asks for.
func (p *Page) post(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
			return err // 413
		}
		return p.show(w, r, p.view(r, s, Senseless))
	}
	if s.Principal() == "" {
		return p.show(w, r, p.view(r, s, SignIn))
	}
	form := Form{Do: r.PostForm.Get("do"), ID: r.PostForm.Get("id")}
	err := errSenseless
	switch form.Do {
	case doEnd:
		err = p.endOne(w, r, s, form)
	case doEndOthers:
		if err = p.endOthers(r, s); err == nil {
			p.redirect(w, "?ended=others")
		}
	case doEndAll:
		err = p.endAll(w, r, s)
	}
	if err == nil {
		return nil
	}
	return p.refuse(w, r, s, form, err)
}

var (
	errSenseless = errors.New("the form isn't one of the page of devices")
	errTooOld    = errors.New("the sign-in was too long ago to end sessions")
)

// endOne ends one session. The own one needs no recent sign-in, as that is an ordinary
// sign-out.
func (p *Page) endOne(w http.ResponseWriter, r *http.Request, s *cloakroom.Session, form Form) error {
	id, err := cloakroom.ParseID(form.ID)
	if err != nil {
		return fmt.Errorf("devices: %w", cloakroom.ErrNotFound)
	}
	own := id == s.ID()
	if !own && !p.mayEnd(s) {
		return errTooOld
	}
	v := p.view(r, s, SignedOut)
	if err := p.sessions.EndDevice(r.Context(), id); err != nil {
		return err
	}
	if own {
		return p.show(w, r, v)
	}
	p.redirect(w, "?ended="+id.String())
	return nil
}

// endOthers ends all sessions of the visitor but the request's own.
func (p *Page) endOthers(r *http.Request, s *cloakroom.Session) error {
	if !p.mayEnd(s) {
		return errTooOld
	}
	if err := current(r.Context(), s); err != nil {
		return err
	}
	return p.sessions.Admin().RevokeAll(r.Context(), s.Principal(), s.ID())
}

// current checks that the request's token is the current one of a live session by the
// store's present state, as EndDevice does: a cache may remember one that has ended, and
// a token that was renewed is still good for a while.
func current(ctx context.Context, s *cloakroom.Session) error {
	if err := s.Refresh(ctx); err != nil {
		return err
	}
	if s.Token() == "" {
		return fmt.Errorf("devices: the request's token has been renewed: %w", cloakroom.ErrConflict)
	}
	return nil
}

// endAll signs the visitor out everywhere, and looks whether anything is left. The own
// session is the last, so that whoever has to repeat it can.
func (p *Page) endAll(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	ctx, v, who := r.Context(), p.view(r, s, AllEnded), s.Principal()
	if !v.MayEnd {
		return errTooOld
	}
	open, err := p.sessions.Devices(ctx)
	if err != nil {
		return err
	}
	if err := p.endOthers(r, s); err != nil {
		return err
	}
	if err := s.Destroy(ctx); err != nil {
		return err
	}
	// A RevokeAll that spared a session isn't kept as a sign-out everywhere. This one comes
	// last, when all have ended: an error of it can't be answered by a form to repeat.
	if err := p.sessions.Admin().RevokeAll(ctx, who); err != nil {
		p.config.Logger.ErrorContext(ctx, "devices: a sign-out everywhere isn't kept for Admin.LastSignedOut", "principal", who, "error", err)
	}
	v.WereOpen = len(open)
	if left, err := p.sessions.Admin().Sessions(ctx, who); err == nil {
		v.Proved, v.Since = true, len(left)
	}
	return p.show(w, r, v)
}

// refuse answers a form that could not be carried out, or not for certain.
func (p *Page) refuse(w http.ResponseWriter, r *http.Request, s *cloakroom.Session, form Form, err error) error {
	v := p.view(r, s, Senseless)
	v.Repeat = form
	switch {
	case errors.Is(err, errSenseless):
	case errors.Is(err, errTooOld):
		v.Outcome = SignInAgain
	case errors.Is(err, cloakroom.ErrGone):
		v.Outcome = SignIn
	case errors.Is(err, cloakroom.ErrUnavailable) && r.Context().Err() == nil:
		p.config.Logger.ErrorContext(r.Context(), "devices: a session may have ended or not", "do", form.Do, "id", s.ID(), "error", err)
		v.Outcome = Uncertain
	case errors.Is(err, cloakroom.ErrConflict):
		v.Outcome = Changed
	case errors.Is(err, cloakroom.ErrNotFound):
		v.Outcome = NotFound
		if v.Devices, v.Older, err = p.Devices(r.Context()); err != nil {
			return err
		}
	default:
		return err
	}
	return p.show(w, r, v)
}

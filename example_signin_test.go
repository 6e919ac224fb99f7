package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is examples of signing in, of new tokens, and of telling a visitor that the
// session is over.

// Signing in by an attempt that began before the password was checked, so that
// "password changed, sign out everywhere" wins over a sign-in that checked the old
// password.
func ExampleSession_Login() {
	sessions := exampleManager(nil)
	defer sessions.Close()
	passwordIsRight := func(user, password string) bool { return password == "secret of "+user }
	mux := http.NewServeMux()
	mux.Handle("/login", sessions.With(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		user := r.FormValue("user")
		attempt, err := sessions.BeginLogin(r.Context(), user) // before the password is checked
		if err != nil {
			return err // 400 if that can't be a name, 503 if the store is out of reach
		}
		if !passwordIsRight(user, r.FormValue("password")) {
			http.Error(w, "wrong name or password", http.StatusForbidden)
			return nil
		}
		return s.Login(r.Context(), user, &cloakroom.LoginOptions{Attempt: attempt})
	}))
	mux.Handle("/", sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, err := fmt.Fprintf(w, "hello %q", s.Principal())
		return err
	}))

	browser := exampleVisit(sessions.Handler(mux))
	browser.get("/login?user=&password=wrong")
	browser.get("/login?user=ann&password=wrong")
	browser.get("/login?user=ann&password=secret+of+ann")
	browser.get("/")
	// Output:
	// 400 A name to sign in with has 1 to 512 bytes of UTF-8, without control characters.
	// 403 wrong name or password
	// 200
	// 200 hello "ann"
}

// A visitor who is remembered stays signed in for the whole Lifetime, with the browser
// closed and no visit in between. Other sessions end by the idle timeout.
func ExampleLoginOptions_remember() {
	ctx := context.Background()
	now := time.Now()
	sessions := exampleManager(&cloakroom.Config{Now: func() time.Time { return now }})
	defer sessions.Close()
	ann, bob := exampleSession(sessions, ""), exampleSession(sessions, "")
	fmt.Println("ann:", ann.Login(ctx, "ann", &cloakroom.LoginOptions{Remember: true}))
	fmt.Println("bob:", bob.Login(ctx, "bob", nil))

	now = now.Add(29 * 24 * time.Hour) // of the 30 days that Config.Lifetime defaults to
	_, err := sessions.Retrieve(ctx, ann.Token())
	fmt.Println("ann after 29 days:", err)
	_, err = sessions.Retrieve(ctx, bob.Token())
	fmt.Println("bob after 29 days, not found:", errors.Is(err, cloakroom.ErrNotFound))
	// Output:
	// ann: <nil>
	// bob: <nil>
	// ann after 29 days: <nil>
	// bob after 29 days, not found: true
}

// A new token in place where a user gets more rights. The old one is good for a while, so
// that requests under way aren't lost.
func ExampleSession_Renew() {
	ctx := context.Background()
	now := time.Now()
	sessions := exampleManager(&cloakroom.Config{Now: func() time.Time { return now }})
	defer sessions.Close()
	old := exampleSession(sessions, "ann").Token()
	s, err := sessions.Retrieve(ctx, old)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("renewed:", s.Renew(ctx), s.Token() != old)

	_, err = sessions.Retrieve(ctx, old)
	fmt.Println("the old one at once:", err)
	now = now.Add(time.Hour)
	_, err = sessions.Retrieve(ctx, old)
	fmt.Println("an hour later, not found:", errors.Is(err, cloakroom.ErrNotFound))
	_, err = sessions.Retrieve(ctx, s.Token())
	fmt.Println("the new one:", err)
	// Output:
	// renewed: <nil> true
	// the old one at once: <nil>
	// an hour later, not found: true
	// the new one: <nil>
}

// A token that may be in the wrong hands ends at once, and the session goes on with
// another.
func ExampleSession_RenewStrict() {
	ctx := context.Background()
	sessions := exampleManager(nil)
	defer sessions.Close()
	old := exampleSession(sessions, "ann").Token()
	s, err := sessions.Retrieve(ctx, old)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("renewed:", s.RenewStrict(ctx))

	_, err = sessions.Retrieve(ctx, old)
	fmt.Println("the old one, not found:", errors.Is(err, cloakroom.ErrNotFound))
	again, err := sessions.Retrieve(ctx, s.Token())
	fmt.Println("the new one:", again.Principal(), err)
	// Output:
	// renewed: <nil>
	// the old one, not found: true
	// the new one: ann <nil>
}

// Signing out. Nothing that is still under way brings the session back.
func ExampleSession_Destroy() {
	ctx := context.Background()
	sessions := exampleManager(nil)
	defer sessions.Close()
	color := cloakroom.NewKey[string]("color")
	token := exampleSession(sessions, "ann").Token()
	slow, err := sessions.Retrieve(ctx, token)
	fmt.Println(err)
	s, err := sessions.Retrieve(ctx, token)
	fmt.Println(err)

	fmt.Println("signed out:", s.Destroy(ctx))
	color.Set(slow, "blue")
	fmt.Println("a request that was under way, gone:", errors.Is(slow.Save(ctx), cloakroom.ErrGone))
	// Output:
	// <nil>
	// <nil>
	// signed out: <nil>
	// a request that was under way, gone: true
}

// A page that says why its visitor isn't signed in any more.
func ExampleSession_Ended() {
	sessions := exampleManager(nil)
	defer sessions.Close()
	mux := http.NewServeMux()
	mux.Handle("/login", sessions.With(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Login(r.Context(), "ann", nil)
	}))
	mux.Handle("/", sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) (err error) {
		switch why, _, ended := s.Ended(); {
		case why == cloakroom.EndRevoked:
			_, err = fmt.Fprint(w, "you were signed out from elsewhere")
		case ended:
			_, err = fmt.Fprint(w, "please sign in again")
		default:
			_, err = fmt.Fprintf(w, "hello %q", s.Principal())
		}
		return err
	}))

	browser := exampleVisit(sessions.Handler(mux))
	browser.get("/login")
	browser.get("/")
	if err := sessions.Admin().RevokeAll(context.Background(), "ann"); err != nil {
		fmt.Println(err)
	}
	browser.get("/")
	// Output:
	// 200
	// 200 hello "ann"
	// 200 you were signed out from elsewhere
}

// A page to sign in says once that the session is over: it has the browser forget the
// token that told so.
func ExampleSession_Forget() {
	sessions := exampleManager(nil)
	defer sessions.Close()
	mux := http.NewServeMux()
	mux.Handle("/login", sessions.With(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Login(r.Context(), "ann", nil)
	}))
	mux.Handle("/", sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, _, ended := s.Ended()
		if ended {
			if err := s.Forget(); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(w, "signed in: %v, over: %v", s.Principal() != "", ended)
		return err
	}))

	browser := exampleVisit(sessions.Handler(mux))
	browser.get("/login")
	if err := sessions.Admin().RevokeAll(context.Background(), "ann"); err != nil {
		fmt.Println(err)
	}
	browser.get("/")
	browser.get("/")
	// Output:
	// 200
	// 200 signed in: false, over: true
	// 200 signed in: false, over: false
}

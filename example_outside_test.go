package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/cloakroom-go/cloakroom"
)

// This file is examples of sessions outside of a request, and of Events.

// A session for a test or a job. Nobody saves for you, and nobody sends the token.
func ExampleManager_Create() {
	ctx := context.Background()
	sessions := exampleManager(nil)
	defer sessions.Close()
	cart := cloakroom.NewKey[[]string]("cart")

	s, err := sessions.Create(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	cart.Set(s, []string{"hat"})
	fmt.Println("saved:", s.Save(ctx))
	fmt.Println("a token of", len(s.Token()), "characters")
	// Output:
	// saved: <nil>
	// a token of 67 characters
}

// A test of a page: the request comes with a session that the test has prepared.
func ExampleManager_Attach() {
	sessions := exampleManager(nil)
	defer sessions.Close()
	cart := cloakroom.NewKey[[]string]("cart")
	page := sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, err := fmt.Fprintf(w, "%s has %d in the cart", s.Principal(), len(cart.Get(s)))
		return err
	})

	s, err := sessions.Create(context.Background())
	if err != nil {
		fmt.Println(err) // in a test: t.Fatal
		return
	}
	cart.Set(s, []string{"hat", "coat"})
	if err := s.Login(context.Background(), "ann", nil); err != nil { // saves as well
		fmt.Println(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	sessions.Attach(r, s)
	w := httptest.NewRecorder()
	sessions.Handler(page).ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 ann has 2 in the cart
}

// The session of a token that came in another way than by a request, such as a message's.
func ExampleManager_Retrieve() {
	ctx := context.Background()
	sessions := exampleManager(nil)
	defer sessions.Close()
	token := exampleSession(sessions, "ann").Token()

	s, err := sessions.Retrieve(ctx, token)
	fmt.Println(s.Principal(), err)

	fmt.Println("signed out:", s.Destroy(ctx))
	_, err = sessions.Retrieve(ctx, token)
	fmt.Println("not found:", errors.Is(err, cloakroom.ErrNotFound))
	if ended, ok := errors.AsType[*cloakroom.EndedError](err); ok {
		fmt.Println("why:", ended.Reason)
	}
	// Output:
	// ann <nil>
	// signed out: <nil>
	// not found: true
	// why: destroyed
}

// A log for auditors: sign-ins and sign-outs, and tokens that may be an attack.
func ExampleEvents() {
	ctx := context.Background()
	sessions := exampleManager(&cloakroom.Config{Events: &cloakroom.Events{
		SignedIn: func(_ context.Context, i cloakroom.Info) { fmt.Println(i.Principal, "signed in") },
		Ended: func(_ context.Context, e cloakroom.Ending) {
			fmt.Printf("%q: a session has ended, %s\n", e.Principal, e.Reason)
		},
		Refused: func(_ context.Context, _ cloakroom.ID, why cloakroom.Refusal) { fmt.Println("refused,", why) },
	}})
	defer sessions.Close()

	s := exampleSession(sessions, "ann")
	if err := s.Destroy(ctx); err != nil {
		fmt.Println(err)
	}
	_, err := sessions.Retrieve(ctx, "what an attacker has made up")
	fmt.Println("not found:", errors.Is(err, cloakroom.ErrNotFound))
	// Output:
	// "": a session has ended, replaced
	// ann signed in
	// "ann": a session has ended, destroyed
	// refused, forged
	// not found: true
}

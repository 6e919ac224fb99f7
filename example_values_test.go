package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/cloakroom-go/cloakroom"
)

// This file is examples of values, and of their changes by several requests at once.

// Two tabs put hats into one cart at the same time. The second one's function is run
// again on the cart that the first has left.
func ExampleKey_Update() {
	ctx := context.Background()
	sessions := exampleManager(nil)
	defer sessions.Close()
	hats := cloakroom.NewKey[int]("hats")
	token := exampleSession(sessions, "").Token()

	one, err := sessions.Retrieve(ctx, token)
	fmt.Println(err)
	other, err := sessions.Retrieve(ctx, token)
	fmt.Println(err)
	hats.Update(one, func(n int) int { return n + 1 })
	hats.Update(other, func(n int) int { return n + 2 })
	fmt.Println(one.Save(ctx), other.Save(ctx))
	fmt.Println("hats:", hats.Get(other))
	// Output:
	// <nil>
	// <nil>
	// <nil> <nil>
	// hats: 3
}

// A code that is good once. Of two requests that present it at the same time one gets it.
func ExampleKey_Take() {
	ctx := context.Background()
	sessions := exampleManager(nil)
	defer sessions.Close()
	code := cloakroom.NewKey[string]("code")
	s := exampleSession(sessions, "")
	code.Set(s, "4711")
	fmt.Println(s.Save(ctx))

	for range 2 {
		request, err := sessions.Retrieve(ctx, s.Token())
		if err != nil {
			fmt.Println(err)
			return
		}
		value, ok, err := code.Take(ctx, request)
		fmt.Printf("%q %v %v\n", value, ok, err)
	}
	// Output:
	// <nil>
	// "4711" true <nil>
	// "" false <nil>
}

// Points for a coupon: both change, or neither does. The function sees the values in
// the store, and its error is returned as it is.
func ExampleSession_Update() {
	ctx := context.Background()
	sessions := exampleManager(nil)
	defer sessions.Close()
	points, coupons := cloakroom.NewKey[int]("points"), cloakroom.NewKey[int]("coupons")
	s := exampleSession(sessions, "")
	points.Set(s, 7)

	for range 2 {
		err := s.Update(ctx, func(tx *cloakroom.Tx) error {
			if points.Get(tx) < 5 {
				return errors.New("too few points")
			}
			points.Update(tx, func(n int) int { return n - 5 })
			coupons.Update(tx, func(n int) int { return n + 1 })
			return nil
		})
		fmt.Println(points.Get(s), "points,", coupons.Get(s), "coupons, error:", err)
	}
	// Output:
	// 2 points, 1 coupons, error: <nil>
	// 2 points, 1 coupons, error: too few points
}

// A request that lasts, such as a stream of events, reads as it was when it began, until
// it asks anew.
func ExampleSession_Refresh() {
	ctx := context.Background()
	sessions := exampleManager(nil)
	defer sessions.Close()
	theme := cloakroom.NewKey[string]("theme")
	stream := exampleSession(sessions, "")

	other, err := sessions.Retrieve(ctx, stream.Token())
	if err != nil {
		fmt.Println(err)
		return
	}
	theme.Set(other, "dark")
	fmt.Println("saved:", other.Save(ctx))

	fmt.Printf("before: %q\n", theme.Get(stream))
	fmt.Println("refreshed:", stream.Refresh(ctx))
	fmt.Printf("after: %q\n", theme.Get(stream))
	// Output:
	// saved: <nil>
	// before: ""
	// refreshed: <nil>
	// after: "dark"
}

// A handler that recovers from a panic inside of Handler answers the request, and all
// changes made by then are saved with the answer. Discard drops them.
func ExampleSession_Discard() {
	sessions := exampleManager(nil)
	defer sessions.Close()
	paid := cloakroom.NewKey[bool]("paid")
	mux := http.NewServeMux()
	mux.Handle("/pay", sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		defer func() {
			if recover() != nil {
				s.Discard()
				http.Error(w, "sorry", http.StatusInternalServerError)
			}
		}()
		paid.Set(s, true)
		panic("the bank is closed")
	}))
	mux.Handle("/", sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, err := fmt.Fprintf(w, "paid: %v", paid.Get(s))
		return err
	}))

	visitor := exampleVisit(sessions.Handler(mux))
	visitor.get("/pay")
	visitor.get("/")
	// Output:
	// 500 sorry
	// 200 paid: false
}

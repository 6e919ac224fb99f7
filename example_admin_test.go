package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is examples of seeing and ending sessions from elsewhere: by their user,
// and by an operator of the application.

// A page of devices: the user ends one of their own sessions by its id. Another's is not
// found, as one that there never was.
func ExampleManager_EndDevice() {
	sessions := exampleManager(nil)
	defer sessions.Close()
	phone, bobs := exampleSession(sessions, "ann"), exampleSession(sessions, "bob")
	mux := http.NewServeMux()
	mux.Handle("/login", sessions.With(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Login(r.Context(), "ann", nil)
	}))
	mux.Handle("/end", sessions.With(func(w http.ResponseWriter, r *http.Request, _ *cloakroom.Session) error {
		id, err := cloakroom.ParseID(r.FormValue("id"))
		if err == nil {
			err = sessions.EndDevice(r.Context(), id)
		}
		if err != nil {
			return err
		}
		left, err := sessions.Devices(r.Context())
		fmt.Fprint(w, "devices left: ", len(left))
		return err
	}))

	laptop := exampleVisit(sessions.Handler(mux))
	laptop.get("/login")
	laptop.get("/end?id=" + phone.ID().String())
	laptop.get("/end?id=" + bobs.ID().String())
	// Output:
	// 200
	// 200 devices left: 1
	// 404 There is no such session.
}

// An administrator's page that lists the signed-in sessions, in pages of two.
func ExampleAdmin_Search() {
	ctx := context.Background()
	sessions := exampleManager(nil)
	defer sessions.Close()
	for _, user := range []string{"ann", "bob", "cid"} {
		exampleSession(sessions, user)
	}

	query := driver.Query{Limit: 2}
	for page := 1; ; page++ {
		n := 0
		for record, err := range sessions.Admin().Search(ctx, query) {
			if err != nil {
				fmt.Println(err)
				return
			}
			n, query.After = n+1, record.Cursor()
		}
		fmt.Printf("page %d: %d\n", page, n)
		if n < query.Limit {
			break
		}
	}
	// Output:
	// page 1: 2
	// page 2: 1
}

// All sessions of one user, exactly, and ending one of them. The Admin needs no keys, so
// it may run in another process.
func ExampleAdmin_Sessions() {
	ctx := context.Background()
	store := memstore.New(nil)
	sessions, err := cloakroom.New(store, exampleKeyring(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sessions.Close()
	exampleSession(sessions, "bob")
	exampleSession(sessions, "ann")
	exampleSession(sessions, "ann")

	admin := cloakroom.NewAdmin(store, "")
	for range 2 {
		all, err := admin.Sessions(ctx, "ann")
		fmt.Println("ann's sessions:", len(all), err)
		fmt.Println("the oldest one ended:", admin.Revoke(ctx, all[0].ID))
	}
	// Output:
	// ann's sessions: 2 <nil>
	// the oldest one ended: <nil>
	// ann's sessions: 1 <nil>
	// the oldest one ended: <nil>
}

// Ending a session that an alarm has named. There is no error if it has ended already, or
// never was.
func ExampleAdmin_Revoke() {
	ctx := context.Background()
	sessions := exampleManager(nil)
	defer sessions.Close()
	s := exampleSession(sessions, "ann")

	fmt.Println(sessions.Admin().Revoke(ctx, s.ID()))
	fmt.Println(sessions.Admin().Revoke(ctx, s.ID()))
	_, err := sessions.Retrieve(ctx, s.Token())
	fmt.Println("not found:", errors.Is(err, cloakroom.ErrNotFound))
	// Output:
	// <nil>
	// <nil>
	// not found: true
}

// Signing a user out everywhere but here, as after a change of the password.
func ExampleAdmin_RevokeAll() {
	ctx := context.Background()
	sessions := exampleManager(nil)
	defer sessions.Close()
	here, phone := exampleSession(sessions, "ann"), exampleSession(sessions, "ann")

	fmt.Println(sessions.Admin().RevokeAll(ctx, "ann", here.ID()))
	_, err := sessions.Retrieve(ctx, phone.Token())
	fmt.Println("the phone, not found:", errors.Is(err, cloakroom.ErrNotFound))
	_, err = sessions.Retrieve(ctx, here.Token())
	fmt.Println("here:", err)
	// Output:
	// <nil>
	// the phone, not found: true
	// here: <nil>
}

// A job changes a value in somebody's session. The visitor may be at it meanwhile:
// neither's change is lost.
func ExampleAdmin_Update() {
	ctx := context.Background()
	sessions := exampleManager(nil)
	defer sessions.Close()
	points := cloakroom.NewKey[int]("points")
	s := exampleSession(sessions, "ann")
	points.Update(s, func(n int) int { return n + 1 })

	fmt.Println(sessions.Admin().Update(ctx, s.ID(), func(tx *cloakroom.Tx) error {
		points.Update(tx, func(n int) int { return n + 100 })
		return nil
	}))
	fmt.Println(s.Save(ctx), points.Get(s))
	// Output:
	// <nil>
	// <nil> 101
}

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

// This file is examples of when changes are saved, and of a record that can't be read.

// With SaveEach each change is in the store at once, and each look asks the store. So a
// request sees another one's changes meanwhile.
func ExampleSaveMode_saveEach() {
	ctx := context.Background()
	sessions := exampleManager(&cloakroom.Config{Save: cloakroom.SaveEach})
	defer sessions.Close()
	color := cloakroom.NewKey[string]("color")
	one := exampleSession(sessions, "")
	other, err := sessions.Retrieve(ctx, one.Token())
	if err != nil {
		fmt.Println(err)
		return
	}

	color.Set(one, "blue")
	fmt.Println(color.Get(other), other.Err())
	color.Set(other, "red")
	fmt.Println(color.Get(one), one.Err())
	// Output:
	// blue <nil>
	// red <nil>
}

// With SaveManual unsaved changes are dropped when the request ends.
func ExampleSaveMode_saveManual() {
	sessions := exampleManager(&cloakroom.Config{Save: cloakroom.SaveManual})
	defer sessions.Close()
	visits := cloakroom.NewKey[int]("visits")
	mux := http.NewServeMux()
	mux.Handle("/", sessions.With(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		n := visits.Update(s, func(n int) int { return n + 1 })
		if r.FormValue("save") != "" {
			if err := s.Save(r.Context()); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(w, "visit %d", n)
		return err
	}))

	visitor := exampleVisit(sessions.Handler(mux))
	visitor.get("/")
	visitor.get("/?save=1")
	visitor.get("/")
	visitor.get("/")
	// Output:
	// 200 visit 1
	// 200 visit 1
	// 200 visit 2
	// 200 visit 2
}

// Some pages save by themselves, though the manager's sessions are saved by hand.
func ExampleManager_AutoSave() {
	sessions := exampleManager(&cloakroom.Config{Save: cloakroom.SaveManual})
	defer sessions.Close()
	visits := cloakroom.NewKey[int]("visits")
	count := sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, err := fmt.Fprintf(w, "visit %d", visits.Update(s, func(n int) int { return n + 1 }))
		return err
	})
	mux := http.NewServeMux()
	mux.Handle("/shop", sessions.AutoSave(count))
	mux.Handle("/preview", count)

	visitor := exampleVisit(sessions.Handler(mux))
	visitor.get("/shop")
	visitor.get("/preview")
	visitor.get("/shop")
	// Output:
	// 200 visit 1
	// 200 visit 2
	// 200 visit 2
}

// damagedStore has a damaged record of one session.
type damagedStore struct {
	cloakroom.Store
	damaged cloakroom.ID
}

func (s *damagedStore) Get(ctx context.Context, id cloakroom.ID) (*driver.Record, error) {
	if id == s.damaged {
		return nil, cloakroom.ErrCorrupt
	}
	return s.Store.Get(ctx, id)
}

// The way out for a visitor whose session can't be read any more: a new one in its place.
// Without it every page would be an error, until the session's time is over.
func ExampleManager_Fresh() {
	store := &damagedStore{Store: memstore.New(nil)}
	sessions, err := cloakroom.New(store, exampleKeyring(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sessions.Close()
	visits := cloakroom.NewKey[int]("visits")
	handler := sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := sessions.Session(r.Context())
		if errors.Is(err, cloakroom.ErrCorrupt) {
			s, err = sessions.Fresh(r.Context())
		}
		if err != nil {
			sessions.Fail(w, r, err)
			return
		}
		n := visits.Update(s, func(n int) int { return n + 1 })
		store.damaged = s.ID() // zero, until there is a session to be damaged
		fmt.Fprintf(w, "visit %d", n)
	}))

	visitor := exampleVisit(handler)
	for range 4 {
		visitor.get("/")
	}
	// Output:
	// 200 visit 1
	// 200 visit 2
	// 200 visit 1
	// 200 visit 2
}

package shop

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the shop itself: its customers, carts, and the form of its answers.

// password is every customer's. A real shop has a table of hashes.
const password = "sesame"

// customer returns the id of the customer of a name, "" if the shop has none. Sessions are
// kept for ids: names may change, and may be typed in several ways.
func customer(name string) string {
	switch name {
	case "ann", "bob":
		return "customer-" + name
	}
	return ""
}

// Prove returns the customer whose name and password a visitor gave, "" if they are wrong.
// The attempt begins before the password is checked, so that "signed out everywhere" wins
// over a sign-in that has just checked an old password.
func Prove(ctx context.Context, sessions *cloakroom.Manager, name, pass string) (id string, attempt cloakroom.LoginAttempt, err error) {
	if id = customer(name); id == "" {
		return "", attempt, nil
	}
	if attempt, err = sessions.BeginLogin(ctx, id); err != nil {
		return "", attempt, err
	}
	if subtle.ConstantTimeCompare([]byte(pass), []byte(password)) != 1 {
		return "", attempt, nil
	}
	return id, attempt, nil
}

// Cart is how many of each thing a visitor wants to buy.
type Cart map[string]int

// cart is the session's value.
var cart = cloakroom.NewKey[Cart]("cart")

// CartOf returns a visitor's cart.
func CartOf(s *cloakroom.Session) Cart {
	if c := cart.Get(s); c != nil {
		return c
	}
	return Cart{}
}

// Put puts a thing into a visitor's cart. Update is what has parallel requests lose
// nothing: what it does is done again on what others saved.
func Put(s *cloakroom.Session, item string) Cart {
	return cart.Update(s, func(c Cart) Cart {
		if c == nil {
			c = Cart{}
		}
		c[item]++
		return c
	})
}

// Sells reports whether the shop has such a thing. What visitors type is bounded by that.
func Sells(item string) bool { return item == "coat" || item == "hat" || item == "scarf" }

// Device is where a customer is signed in, as the shop shows it.
type Device struct {
	ID      string    `json:"id"`
	Agent   string    `json:"agent"`
	Address string    `json:"address"`
	Seen    time.Time `json:"seen"`
	Current bool      `json:"current"`
}

// DevicesOf returns devices as the shop shows them.
func DevicesOf(all []cloakroom.Device) []Device {
	list := make([]Device, 0, len(all))
	for _, d := range all {
		list = append(list, Device{d.ID.String(), d.Client.UserAgent, d.Client.Address, d.Seen, d.Current})
	}
	return list
}

// EndDevice ends one of the visitor's own sessions, and nobody else's, by the id that the
// visitor sent. For any other text the error is cloakroom.ErrNotFound.
func EndDevice(ctx context.Context, sessions *cloakroom.Manager, text string) error {
	id, err := cloakroom.ParseID(text)
	if err != nil {
		return err
	}
	return sessions.EndDevice(ctx, id)
}

// JSON answers with a value, for routers that have no such method.
func JSON(w http.ResponseWriter, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(text)
	return err
}

// Command fiber is the shop on fiber v3.
package main

import (
	"context"
	"net"
	"net/http"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	recovery "github.com/gofiber/fiber/v3/middleware/recover"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/examples/frameworks/internal/shop"
)

func main() {
	shop.MainOf(func(ctx context.Context, l net.Listener, sessions *cloakroom.Manager) error {
		return app(sessions).Listener(l, fiber.ListenConfig{DisableStartupMessage: true, GracefulContext: ctx})
	})
}

// app returns the application. It is Immutable: otherwise the texts of a request change
// after it, also those that were kept, such as who has signed in. recover is outside of
// withSessions: a page that panics saves nothing.
func app(sessions *cloakroom.Manager) *fiber.App {
	h := handlers{sessions}
	a := fiber.New(fiber.Config{Immutable: true})
	a.Use(recovery.New(), adaptor.HTTPMiddleware(http.NewCrossOriginProtection().Handler), withSessions(sessions))
	a.Post("/sign-in", h.with(h.signIn))
	a.Post("/sign-out", h.with(h.signOut))
	a.Get("/cart", h.with(h.cart))
	a.Post("/cart", h.with(h.put))
	a.Get("/devices", h.with(h.devices))
	a.Delete("/devices/:id", h.with(h.endDevice))
	return a
}

type handlers struct{ sessions *cloakroom.Manager }

// with is Manager.With for pages of fiber, whose errors withSessions answers.
func (h handlers) with(page func(fiber.Ctx, *cloakroom.Session) error) fiber.Handler {
	return func(c fiber.Ctx) error {
		s, err := h.sessions.Session(c.Context())
		if err == nil {
			err = page(c, s)
		}
		return err
	}
}

func (h handlers) signIn(c fiber.Ctx, s *cloakroom.Session) error {
	id, attempt, err := shop.Prove(c.Context(), h.sessions, c.FormValue("name"), c.FormValue("password"))
	if err != nil {
		return err
	}
	if id == "" {
		return fiber.NewError(fiber.StatusForbidden, "wrong name or password")
	}
	c.Status(fiber.StatusNoContent)
	return s.Login(c.Context(), id, &cloakroom.LoginOptions{Attempt: attempt})
}

func (h handlers) signOut(c fiber.Ctx, s *cloakroom.Session) error {
	c.Status(fiber.StatusNoContent)
	return s.Destroy(c.Context())
}

func (h handlers) cart(c fiber.Ctx, s *cloakroom.Session) error {
	return c.JSON(shop.CartOf(s))
}

func (h handlers) put(c fiber.Ctx, s *cloakroom.Session) error {
	if !shop.Sells(c.FormValue("item")) {
		return fiber.NewError(fiber.StatusBadRequest, "no such thing")
	}
	return c.JSON(shop.Put(s, c.FormValue("item"))) // saved before it is sent, or 503
}

func (h handlers) devices(c fiber.Ctx, s *cloakroom.Session) error {
	if s.Principal() == "" {
		return fiber.NewError(fiber.StatusUnauthorized, "please sign in")
	}
	all, err := h.sessions.Devices(c.Context())
	if err != nil {
		return err
	}
	return c.JSON(shop.DevicesOf(all))
}

func (h handlers) endDevice(c fiber.Ctx, _ *cloakroom.Session) error {
	c.Status(fiber.StatusNoContent)
	return shop.EndDevice(c.Context(), h.sessions, c.Params("id"))
}

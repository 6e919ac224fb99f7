// Command echo5 is the shop on echo v5.
package main

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v5"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/examples/frameworks/internal/shop"
)

func main() { shop.Main(app) }

// app returns the application. Handler is around all of echo. Its Recover would be inside,
// and have saved what a page changed before it panicked.
func app(sessions *cloakroom.Manager) http.Handler {
	h, e := handlers{sessions}, echo.New()
	standard := e.HTTPErrorHandler
	e.HTTPErrorHandler = func(c *echo.Context, err error) {
		var refusal echo.HTTPStatusCoder // echo's, such as 404 for no route, or a page's
		if errors.As(err, &refusal) {
			standard(c, err)
		} else {
			sessions.Fail(c.Response(), c.Request(), err)
		}
	}
	e.POST("/sign-in", h.with(h.signIn))
	e.POST("/sign-out", h.with(h.signOut))
	e.GET("/cart", h.with(h.cart))
	e.POST("/cart", h.with(h.put))
	e.GET("/devices", h.with(h.devices))
	e.DELETE("/devices/:id", h.with(h.endDevice))
	return http.NewCrossOriginProtection().Handler(sessions.Handler(e))
}

type handlers struct{ sessions *cloakroom.Manager }

// with is Manager.With for pages of echo.
func (h handlers) with(page func(*echo.Context, *cloakroom.Session) error) echo.HandlerFunc {
	return func(c *echo.Context) error {
		s, err := h.sessions.Session(c.Request().Context())
		if err == nil {
			err = page(c, s)
		}
		return err
	}
}

func (h handlers) signIn(c *echo.Context, s *cloakroom.Session) error {
	ctx := c.Request().Context()
	id, attempt, err := shop.Prove(ctx, h.sessions, c.FormValue("name"), c.FormValue("password"))
	if err != nil {
		return err
	}
	if id == "" {
		return echo.NewHTTPError(http.StatusForbidden, "wrong name or password")
	}
	if err := s.Login(ctx, id, &cloakroom.LoginOptions{Attempt: attempt}); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (h handlers) signOut(c *echo.Context, s *cloakroom.Session) error {
	if err := s.Destroy(c.Request().Context()); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (h handlers) cart(c *echo.Context, s *cloakroom.Session) error {
	return c.JSON(http.StatusOK, shop.CartOf(s))
}

func (h handlers) put(c *echo.Context, s *cloakroom.Session) error {
	if !shop.Sells(c.FormValue("item")) {
		return echo.NewHTTPError(http.StatusBadRequest, "no such thing")
	}
	return c.JSON(http.StatusOK, shop.Put(s, c.FormValue("item"))) // saved first, or 503
}

func (h handlers) devices(c *echo.Context, s *cloakroom.Session) error {
	if s.Principal() == "" {
		return echo.NewHTTPError(http.StatusUnauthorized, "please sign in")
	}
	all, err := h.sessions.Devices(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, shop.DevicesOf(all))
}

func (h handlers) endDevice(c *echo.Context, _ *cloakroom.Session) error {
	if err := shop.EndDevice(c.Request().Context(), h.sessions, c.Param("id")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

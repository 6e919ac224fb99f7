// Command gin is the shop on gin.
package main

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/examples/frameworks/internal/shop"
)

func main() { shop.Main(app) }

// app returns the application. Handler is around all of gin. gin.Recovery would be inside,
// and have saved what a page changed before it panicked; net/http recovers here.
func app(sessions *cloakroom.Manager) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	h := handlers{sessions}
	e := gin.New()
	e.POST("/sign-in", h.with(h.signIn))
	e.POST("/sign-out", h.with(h.signOut))
	e.GET("/cart", h.with(h.cart))
	e.POST("/cart", h.with(h.put))
	e.GET("/devices", h.with(h.devices))
	e.DELETE("/devices/:id", h.with(h.endDevice))
	return http.NewCrossOriginProtection().Handler(sessions.Handler(e))
}

type handlers struct{ sessions *cloakroom.Manager }

// with is Manager.With for pages of gin.
func (h handlers) with(page func(*gin.Context, *cloakroom.Session) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		s, err := h.sessions.Session(c.Request.Context())
		if err == nil {
			err = page(c, s)
		}
		if err != nil {
			h.sessions.Fail(c.Writer, c.Request, err)
			c.Abort()
		}
	}
}

func (h handlers) signIn(c *gin.Context, s *cloakroom.Session) error {
	ctx := c.Request.Context()
	id, attempt, err := shop.Prove(ctx, h.sessions, c.PostForm("name"), c.PostForm("password"))
	if err != nil {
		return err
	}
	if id == "" {
		c.String(http.StatusForbidden, "wrong name or password")
		return nil
	}
	if err := s.Login(ctx, id, &cloakroom.LoginOptions{Attempt: attempt}); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (h handlers) signOut(c *gin.Context, s *cloakroom.Session) error {
	c.Status(http.StatusNoContent) // which gin sends when the page has returned
	return s.Destroy(c.Request.Context())
}

func (h handlers) cart(c *gin.Context, s *cloakroom.Session) error {
	c.JSON(http.StatusOK, shop.CartOf(s))
	return nil
}

// put saves nothing by itself: that happens before the first byte of its answer. If it
// can't be saved, the client gets 503 in the answer's place.
func (h handlers) put(c *gin.Context, s *cloakroom.Session) error {
	if !shop.Sells(c.PostForm("item")) {
		c.String(http.StatusBadRequest, "no such thing")
		return nil
	}
	c.JSON(http.StatusOK, shop.Put(s, c.PostForm("item")))
	return nil
}

func (h handlers) devices(c *gin.Context, s *cloakroom.Session) error {
	if s.Principal() == "" {
		c.String(http.StatusUnauthorized, "please sign in")
		return nil
	}
	all, err := h.sessions.Devices(c.Request.Context())
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, shop.DevicesOf(all))
	return nil
}

func (h handlers) endDevice(c *gin.Context, _ *cloakroom.Session) error {
	c.Status(http.StatusNoContent)
	return shop.EndDevice(c.Request.Context(), h.sessions, c.Param("id"))
}

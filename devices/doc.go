// Package devices is the page on which visitors see where they are signed in, and sign
// out there: one device, all others, or everywhere.
//
//	page, err := devices.New(sessions, "/sign-in?back={back}", nil)
//	mux.Handle("/account/devices", page)
//	http.ListenAndServe(addr, sessions.Handler(mux))
//
// The page is one URL: GET shows it and POST acts. It works without scripts, and loads
// nothing. It is safe to mount as it is: a request of another site changes nothing, no
// other page can frame it, no cache keeps it, and its forms hold ids, which open nothing.
//
// # Signing in again
//
// Who ends sessions has to have signed in lately (Config.MaxAge), so that whoever finds an
// open browser can't lock its owner out. A visitor who did so long ago stays signed in. The
// page links to the application's page for that, which asks for the password and calls
// Session.Login with the same principal:
//
//	err := s.Login(ctx, s.Principal(), &cloakroom.LoginOptions{Attempt: attempt, Remember: s.Info().Persistent})
//
// That keeps the values, moves Session.Authenticated, and replaces the session by a new
// one. To sign the own session out needs no such thing.
//
// # Looks and languages
//
// Config.Stylesheet sets the colours, which are CSS variables; style.css names them.
// Config.Text translates, and texts.txt has each text. Config.Render replaces all of the
// page's HTML. Page.Devices has the data alone.
package devices

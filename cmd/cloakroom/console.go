package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os/user"
	"slices"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/onelink"
	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/console"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is "cloakroom console".

type consoleCommand struct {
	Addr       string   `default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"Where to listen: an address of this machine's loopback. Default: a port that is free."`
	Write      bool     `help:"Sessions may be ended."`
	Values     bool     `help:"Values may be revealed, which is told. They may be secret."`
	Label      string   `placeholder:"NAME" help:"The environment's name, such as staging, on each page."`
	Colour     string   `placeholder:"RRGGBB" help:"The environment's colour, such as 7a3b6b. Default: one that is the same for the same name."`
	Production bool     `help:"Whoever ends several sessions types their number."`
	Apps       []string `name:"app" sep:"none" env:"CLOAKROOM_APP" group:"store" placeholder:"NAME" help:"Config.App, whose sessions are shown. It may be given several times. Default: session, or the type of --config."`
	placeFlags
}

// Help implements kong.HelpProvider.
func (*consoleCommand) Help() string {
	return `Serves the operators' page of a store to this machine alone. It prints a link that is good once, for five minutes; Enter prints another. What operators do is told here; what cannot be told is not done.

Without --write nothing is changed.

With --json there are objects of type link (url, until), open, entered, which says that a browser used the link, and act.

Examples:

    cloakroom console --store sqlite:sessions.db
    cloakroom console --store https://engine:9200 --app shop --app office --write --label staging`
}

// Run serves the console until the terminal's context ends.
func (c *consoleCommand) Run(t *terminal, flags *kong.Context) (err error) {
	if err := onlyLoopback(c.Addr); err != nil {
		return err
	}
	o, admins, err := c.open(t, flags)
	if err != nil {
		return err
	}
	defer o.close()
	l, err := listen(t.ctx, c.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // a second time if it was served
	logger := t.warnings()
	s, err := newConsoleServer(t, l, console.Config{
		Admins: admins, Writable: c.Write, Environment: c.Label, Colour: colourOf(c.Colour), Production: c.Production,
		Logger: logger,
	}, console.Operator{SeeValues: c.Values, SeeAddresses: true, End: c.Write})
	if err != nil {
		return usageError{error: err}
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.tellLink()
	if t.json {
		t.emit(consoleLine{"open", s.base, o.where.String()})
	} else {
		t.say("Sessions are in:    %s", o.where)
		if !c.Write {
			t.say("It only looks; --write has it end sessions.")
		}
		t.say("Enter prints a new link.")
		t.say("Ctrl-C stops it.")
	}
	s.answerEnter()
	return serve(t.ctx, l, s, logger, func() {
		if !t.json {
			t.say("Stopping.")
		}
	})
}

// colourOf returns a colour with the sign that a shell would take for a comment.
func colourOf(text string) string {
	if text != "" && text[0] != '#' {
		return "#" + text
	}
	return text
}

// open opens the store, for all apps.
func (c *consoleCommand) open(t *terminal, flags *kong.Context) (*openedStore, []*cloakroom.Admin, error) {
	why := place.Look
	if c.Write {
		why = place.Modify
	}
	f := storeFlags{placeFlags: c.placeFlags}
	if len(c.Apps) > 0 {
		f.App = c.Apps[0]
	}
	o, err := f.open(t, flags, why)
	if err != nil {
		return nil, nil, err
	}
	admins := []*cloakroom.Admin{o.admin}
	for i, app := range c.Apps {
		if slices.Contains(c.Apps[:i], app) {
			o.close()
			return nil, nil, misuse("--app " + app + " is given twice")
		}
		if i > 0 {
			admins = append(admins, cloakroom.NewAdmin(o.Store, app))
		}
	}
	if !o.chosen {
		if hint := o.otherApps(t.ctx); hint != "" {
			t.note("%s", hint)
		}
	}
	return o, admins, nil
}

// onlyLoopback refuses an address that others reach: the console speaks plain HTTP.
func onlyLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil //nolint:nilerr // listen says what is wrong
	}
	if a, err := netip.ParseAddr(host); host == "localhost" || err == nil && a.IsLoopback() {
		return nil
	}
	return misuse("--addr: the console is served to this machine alone, such as at 127.0.0.1:8081. An application mounts the package console for others")
}

// consoleServer is a console behind a link that is printed.
type consoleServer struct {
	t       *terminal
	base    string // the URL of the listener
	gate    *onelink.Gate
	console *console.Console
	handler http.Handler
}

// newConsoleServer makes the console that a listener is about to serve. what is that which
// the operator may.
func newConsoleServer(t *terminal, l net.Listener, config console.Config, what console.Operator) (*consoleServer, error) {
	s := &consoleServer{t: t, base: "http://" + l.Addr().String()}
	s.gate = onelink.New(l.Addr().String(), time.Now, s.tellEntered)
	what.Name = operatorName()
	config.Path, config.Hosts, config.Audit = s.gate.Path(), []string{onelink.HostOf(l.Addr().String())}, s.tellAct
	config.Authorize = func(r *http.Request) (console.Operator, error) {
		if !s.gate.Knows(r) {
			return console.Operator{}, console.ErrUnauthorized
		}
		return what, nil
	}
	var err error
	if s.console, err = console.New(&config); err != nil {
		return nil, err
	}
	s.handler = s.gate.Handler(s.console)
	return s, nil
}

// operatorName returns the name of whoever started the program.
func operatorName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "operator"
}

// ServeHTTP implements http.Handler.
func (s *consoleServer) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// close ends what is under way.
func (s *consoleServer) close() error { return s.console.Close() }

// consoleLine says, in JSON, that the console is open.
type consoleLine struct {
	Type  string `json:"type"` // open
	URL   string `json:"url"`
	Where string `json:"sessionsIn"`
}

// linkLine is a link, in JSON.
type linkLine struct {
	Type  string    `json:"type"` // link
	URL   string    `json:"url"`
	Until time.Time `json:"until"`
}

// enteredLine says, in JSON, that the link was used.
type enteredLine struct {
	Type string `json:"type"` // entered
}

// actLine is an act of an operator, in JSON.
type actLine struct {
	Type      string    `json:"type"` // act
	At        time.Time `json:"at"`
	Action    string    `json:"action"`
	Actor     string    `json:"actor"`
	Reason    string    `json:"reason"`
	App       string    `json:"app"`
	Session   string    `json:"session,omitempty"`
	Principal string    `json:"principal,omitempty"`
	Filter    string    `json:"filter,omitempty"`
	Job       string    `json:"job,omitempty"`
	Count     int64     `json:"count"`
	Result    string    `json:"result"`
	Error     string    `json:"error,omitempty"`
}

// tellLink prints a new link.
func (s *consoleServer) tellLink() {
	path, until := s.gate.NewLink()
	if s.t.json {
		s.t.emit(linkLine{"link", s.base + path, until.UTC().Truncate(time.Second)})
		return
	}
	s.t.say("Operators' console: %s", s.base+path)
}

// tellEntered says that the link was used, by whomever.
func (s *consoleServer) tellEntered() {
	if s.t.json {
		s.t.emit(enteredLine{"entered"})
		return
	}
	s.t.say("%s  A browser used the link.", time.Now().Format(time.TimeOnly))
}

// tellAct tells what an operator does. What can't be told isn't done: an error of writing
// is returned.
func (s *consoleServer) tellAct(_ context.Context, a console.Act) error {
	l := actLine{
		Type: "act", At: a.At.UTC().Truncate(time.Millisecond), Action: string(a.Action), Actor: a.Actor, Reason: a.Reason, App: a.App,
		Principal: a.Principal, Filter: a.Filter, Job: a.Job, Count: a.Count, Result: string(a.Result),
	}
	what := ""
	if !a.ID.IsZero() {
		l.Session = a.ID.String()
		what = " " + l.Session
	} else if a.Principal != "" {
		what = " " + a.Principal
	} else if a.Filter != "" {
		what = " " + a.Filter
	}
	if a.Err != nil {
		l.Error = a.Err.Error()
	}
	if s.t.json {
		return s.t.write(l)
	}
	return s.t.print("%s  %s%s: %s, %s. %q", a.At.Format(time.TimeOnly), a.Action, human.Printable(what), a.Result, human.Counted(a.Count, "session"), a.Reason)
}

// answerEnter prints a new link for each line of the input, until the terminal's context
// ends.
func (s *consoleServer) answerEnter() {
	readInBackground()
	lines := readLines(s.t.ctx, s.t.stdin)
	go func() {
		for {
			select {
			case l := <-lines:
				if l.err != nil {
					return
				}
				s.tellLink()
			case <-s.t.ctx.Done():
				return
			}
		}
	}()
}

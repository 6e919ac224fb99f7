package main

import (
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// This file is the application that runs on each session library.

// library is a session library as the application uses it. Its methods are the handlers'
// code, written for each library.
type library interface {
	wrap(http.Handler) http.Handler
	begin(w http.ResponseWriter, r *http.Request) error         // sets the values, and so begins a session
	read(w http.ResponseWriter, r *http.Request) (int, error)   // reads lang, and the visits
	all(w http.ResponseWriter, r *http.Request) (int, error)    // reads all values
	visit(w http.ResponseWriter, r *http.Request) (int, error)  // reads lang, and counts a visit
	browse(w http.ResponseWriter, r *http.Request) (int, error) // five gets, one of them of the visits, and one set
}

// failing is a library that answers to its own errors.
type failing interface {
	fail(w http.ResponseWriter, r *http.Request, err error)
}

// The pages of the application.
const (
	pageBegin     = "/begin"
	pageUntouched = "/untouched" // doesn't look at the session
	pageRead      = "/read"
	pageAll       = "/all"
	pageVisit     = "/visit"
	pageBrowse    = "/browse"
)

var pages = []string{pageBegin, pageUntouched, pageRead, pageAll, pageVisit, pageBrowse}

// The values of every session, in every library: 700 bytes.
const (
	lang  = "en-GB"
	theme = "dark"
	csrf  = "c4ca4238a0b923820dcc509a6f75849b"
)

var cart = strings.Repeat("A-1234-56 2 129.90;", 32) // text that neither JSON nor gob has to escape

var errLost = errors.New("a value is not what was put in")

// application answers the number of visits, in the same words for every library.
func application(l library) http.Handler {
	return l.wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var visits int
		var err error
		switch r.URL.Path {
		case pageUntouched:
		case pageRead:
			visits, err = l.read(w, r)
		case pageAll:
			visits, err = l.all(w, r)
		case pageVisit:
			visits, err = l.visit(w, r)
		case pageBrowse:
			visits, err = l.browse(w, r)
		case pageBegin:
			err = l.begin(w, r)
		default:
			err = errors.New("no such page: " + r.URL.Path)
		}
		if err != nil {
			if f, ok := l.(failing); ok {
				f.fail(w, r, err)
			} else {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
			return
		}
		answer(w, visits)
	}))
}

// answer makes no allocation, so that all that are counted are the library's.
func answer(w http.ResponseWriter, visits int) {
	b := digits.Get().(*[]byte)
	defer digits.Put(b)
	*b = strconv.AppendInt((*b)[:0], int64(visits), 10)
	w.Header()["Content-Type"] = plainText
	_, _ = w.Write(*b)
}

var (
	digits    = sync.Pool{New: func() any { b := make([]byte, 0, 20); return &b }}
	plainText = []string{"text/plain; charset=utf-8"}
)

// site is the application on one library.
type site struct {
	name, settings string
	lossy          bool                    // a save that was given up may happen later, and undo others
	inside         func() (browser, error) // asks without a network, for one caller
	serve          func(net.Listener) (stop func() error)
}

func newSite(name, settings string, l library) *site {
	h := application(l)
	return &site{
		name: name, settings: settings,
		inside: func() (browser, error) { return newInside(h), nil },
		serve: func(ln net.Listener) func() error {
			s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(ln) }()
			return func() error {
				return errors.Join(s.Close(), served(<-ended))
			}
		},
	}
}

// served removes the error of a server that was closed on purpose.
func served(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// exact fails if a session doesn't hold the values that were set.
func exact(c, l, t, f string) error {
	if c != cart || l != lang || t != theme || f != csrf {
		return errLost
	}
	return nil
}

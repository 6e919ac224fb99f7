package dancer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/dancer"
)

// This file is an application in a process of its own, for the test that switches one
// over. The old one does with the engine what the module did; the new one imports.

// shopVariable is the environment variable that has the test's program be a shop.
const shopVariable = "DANCER_TEST_SHOP"

// shopTask is what it holds, in JSON.
type shopTask struct {
	Old       bool
	Config    string // the path of config.yml
	Documents string // the URL below which the old documents are
	Until     time.Time
}

// shopAnswer is a shop's answer to each request.
type shopAnswer struct {
	Principal string                     `json:"principal"`
	Values    map[string]json.RawMessage `json:"values"`
}

func (a shopAnswer) write(w io.Writer) error { return encode(w, a) }

// encode writes JSON without changing values' text.
func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// runShop serves until the process is told to stop, if the process is to be a shop. It
// prints its address. What is under way then is finished.
func runShop() bool {
	text := os.Getenv(shopVariable)
	if text == "" {
		return false
	}
	var task shopTask
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	handler, end := task.open(ctx)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("http://" + listener.Addr().String())
	server := &http.Server{Handler: handler}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // it ends with the test, however that ends
		stop()
	}()
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.WithoutCancel(ctx))
		end()
		os.Exit(0)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	select {}
}

func (task shopTask) open(ctx context.Context) (http.Handler, func()) {
	if task.Old {
		config, err := dancer.LoadConfig(task.Config, nil)
		if err != nil {
			log.Fatal(err)
		}
		return &oldShop{config.Signer(), task.Documents}, func() {}
	}
	sessions, err := dancer.Open(ctx, task.Config, &dancer.OpenOptions{
		Import: &dancer.ImportOptions{Until: task.Until, Principal: dancer.PrincipalIn("user")},
		Adjust: func(c *cloakroom.Config) { c.Save, c.SaveTimeout, c.SweepEvery = cloakroom.SaveOnce, patient, -1 },
	})
	if err != nil {
		log.Fatal(err)
	}
	end := func() {
		if err := sessions.Close(); err != nil {
			log.Fatal(err)
		}
	}
	visits := cloakroom.NewKey[int]("visits")
	mux := http.NewServeMux()
	answer := func(change func(*http.Request, *cloakroom.Session) error) http.Handler {
		return sessions.With(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			if err := change(r, s); err != nil {
				return err
			}
			a := shopAnswer{s.Principal(), map[string]json.RawMessage{}}
			for name := range s.Names() {
				a.Values[name], _ = s.Raw(name)
			}
			return a.write(w)
		})
	}
	mux.Handle("/look", answer(func(*http.Request, *cloakroom.Session) error { return nil }))
	mux.Handle("/visit", answer(func(_ *http.Request, s *cloakroom.Session) error {
		visits.Update(s, func(n int) int { return n + 1 })
		return nil
	}))
	mux.Handle("/out", answer(func(r *http.Request, s *cloakroom.Session) error { return s.Destroy(r.Context()) }))
	return sessions.Handler(mux), end
}

// oldShop handles sessions as the module does: each request reads the document that the
// cookie names, and writes it as a whole.
type oldShop struct {
	signer    *dancer.Signer
	documents string
}

func (o *oldShop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := o.serve(w, r); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (o *oldShop) serve(w http.ResponseWriter, r *http.Request) error {
	values := map[string]json.RawMessage{}
	var id, value string
	if c, err := r.Cookie("dancer.session"); err == nil {
		if value, err = url.PathUnescape(c.Value); err != nil {
			return err
		}
		if id, err = o.signer.Verify(value); err != nil {
			return err
		}
		var found struct {
			Source map[string]json.RawMessage `json:"_source"`
		}
		if err := o.ask(http.MethodGet, "/"+id, nil, &found); err != nil {
			return err
		}
		values = found.Source
	} else {
		var made struct {
			ID string `json:"_id"`
		}
		if err := o.ask(http.MethodPost, "", values, &made); err != nil {
			return err
		}
		if id = made.ID; id == "" {
			return errors.New("the engine made no id")
		}
		if value, err = o.signer.Sign(id); err != nil {
			return err
		}
	}
	visits := 0
	if raw, ok := values["visits"]; ok {
		if err := json.Unmarshal(raw, &visits); err != nil {
			return err
		}
	}
	values["visits"], values["id"] = json.RawMessage(fmt.Sprint(visits+1)), json.RawMessage(fmt.Sprintf("%q", value))
	if user := r.FormValue("user"); user != "" {
		values["user"] = json.RawMessage(fmt.Sprintf("%q", user))
	}
	if err := o.ask(http.MethodPut, "/"+id, values, nil); err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: "dancer.session", Value: url.QueryEscape(value), Path: "/", HttpOnly: true})
	return shopAnswer{"", values}.write(w)
}

func (o *oldShop) ask(method, path string, body, into any) error {
	var text bytes.Buffer
	if body != nil {
		if err := encode(&text, body); err != nil {
			return err
		}
	}
	req, err := http.NewRequest(method, o.documents+path, &text)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: status %d: %.500s", method, path, res.StatusCode, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

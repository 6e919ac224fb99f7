package cloakroom_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/console"
	"github.com/cloakroom-go/cloakroom/dancer"
	"github.com/cloakroom-go/cloakroom/devices"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/figures"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
	"github.com/cloakroom-go/cloakroom/storetest"
)

// This file is the tests that nothing printed, logged or encoded has a token, secret
// or value.

// planted are secrets that no text may hold, each in all spellings that printing makes
// of it.
type planted map[string]string // what it is, by how it is spelled

func (p planted) add(what string, b []byte) {
	for _, text := range []string{
		string(b), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)),
		base64.StdEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b),
		strings.Trim(fmt.Sprintf("%d", b), "[]"),                                                            // %v
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", b), "[]byte{"), "}"),                       // %#v
		strings.Trim(fmt.Sprintf("%x", strings.Split(strings.Trim(fmt.Sprintf("%d", b), "[]"), " ")), "[]"), // of lists
	} {
		p[text] = what
	}
}

// search returns the planted secrets in a text.
func (p planted) search(text string) string {
	for spelled, what := range p {
		if strings.Contains(text, spelled) {
			return what
		}
	}
	return ""
}

var (
	plantedHat  = cloakroom.NewKey[string]("hat")
	plantedSize = cloakroom.NewKey[int]("size")
)

const (
	theHat   = "a-bowler-that-nobody-may-see"
	password = "pass-word-of-the-engine"
	apiKey   = "QVBJLUtFWS1PRi1UTEUtRU5HSU5F"
)

// printable returns values of the exported types, by their names, with tokens, secrets
// and values planted in them. A test checks that all types are there.
func printable(t *testing.T) (map[string][]any, planted) {
	secret := []byte("0123456789-the-secret-of-the-ring-abcdef")
	keyring, err := cloakroom.NewKeyring(secret)
	if err != nil {
		t.Fatal(err)
	}
	store := memstore.New(nil)
	config := &cloakroom.Config{Transport: cloakroom.Cookie{Insecure: true}, SweepEvery: -1, Events: &cloakroom.Events{}}
	m, err := cloakroom.New(store, keyring, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	s, err := m.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plantedHat.Set(s, theHat)
	attempt, err := m.BeginLogin(t.Context(), "ann")
	if err == nil {
		err = s.Login(t.Context(), "ann", &cloakroom.LoginOptions{Attempt: attempt})
	}
	if err != nil {
		t.Fatal(err)
	}
	first := s.Token()
	if s, err = m.Retrieve(t.Context(), first); err == nil {
		err = s.Renew(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	plantedHat.Set(s, theHat)
	plantedHat.Update(s, func(h string) string { return h })
	secrets := planted{}
	secrets.add("the ring's secret", secret)
	secrets.add("a value", []byte(theHat))
	secrets.add("a password", []byte(password))
	secrets.add("an API key", []byte(apiKey))
	secrets.add("a login", []byte("elastic:"+password))
	for _, tok := range []string{first, s.Token()} {
		raw, err := base64.RawURLEncoding.DecodeString(tok)
		if err != nil {
			t.Fatal(err)
		}
		secrets.add("a token", []byte(tok))
		secrets.add("a token's secret", raw[18:34])
	}
	rec, err := store.Get(t.Context(), s.ID())
	if err != nil {
		t.Fatal(err)
	}
	secrets.add("a verifier", rec.Verifier)
	secrets.add("a previous verifier", rec.Previous)
	gone, err := m.Create(t.Context())
	if err == nil {
		plantedHat.Set(gone, theHat)
		err = errors.Join(gone.Save(t.Context()))
	}
	id, token := gone.ID(), gone.Token()
	if err == nil {
		err = gone.Login(t.Context(), "ann", nil)
	}
	grave, _ := store.Get(t.Context(), id)
	if err != nil || grave == nil || grave.Grave == nil || len(grave.Grave.Extra) == 0 {
		t.Fatalf("no grave that keeps a verifier: %v", err)
	}
	secrets.add("what a grave keeps", grave.Grave.Extra[0].JSON)
	var ended *cloakroom.EndedError
	if _, err := m.Retrieve(t.Context(), token); !errors.As(err, &ended) {
		t.Fatalf("no error that tells of an end: %v", err)
	}
	var tx *cloakroom.Tx
	if err := m.Admin().Update(t.Context(), s.ID(), func(x *cloakroom.Tx) error { plantedHat.Set(x, theHat); tx = x; return nil }); err != nil {
		t.Fatal(err)
	}
	sessions, err := m.Admin().Sessions(t.Context(), "ann")
	if err != nil || len(sessions) == 0 {
		t.Fatal(err)
	}
	report, err := m.Admin().Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	es := elasticstore.ClientConfig{URLs: []string{"https://elastic:" + password + "@node1:9200", "https://node2:9200"}, User: "elastic", Password: password}
	byKey := elasticstore.ClientConfig{URLs: []string{"https://node2:9200"}, APIKey: apiKey}
	passwordFile, keyFile := filepath.Join(t.TempDir(), "password"), filepath.Join(t.TempDir(), "key")
	for path, content := range map[string]string{passwordFile: password, keyFile: apiKey} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	login := elasticstore.Login{User: "elastic", Password: password}
	byFile := elasticstore.ClientConfig{URLs: []string{"https://node2:9200"}, User: "elastic", PasswordFile: passwordFile}
	byKeyFile := elasticstore.ClientConfig{URLs: []string{"https://node2:9200"}, APIKeyFile: keyFile}
	byFunction := elasticstore.ClientConfig{URLs: []string{"https://node2:9200"}, Login: func(context.Context) (elasticstore.Login, error) { return login, nil }}
	var clients []any
	for _, c := range []elasticstore.ClientConfig{es, byKey, byFile, byKeyFile, byFunction} {
		client, err := elasticstore.NewClient(c)
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, client)
	}
	engine, err := elasticstore.New(clients[0].(elasticstore.Client), nil) // which it has no need of
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	file, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "s.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	if _, err := file.Create(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	yml := filepath.Join(t.TempDir(), "config.yml")
	text := fmt.Sprintf("session: \"ElasticSearch\"\nsession_options:\n  connection:\n    servers: \"elastic:%s@127.0.0.1:9200\"\n  signing:\n    secret: %q\n", password, theHat)
	if err := os.WriteFile(yml, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	perl, err := dancer.LoadConfig(yml, nil)
	if err != nil {
		t.Fatal(err)
	}
	old := dancer.ImportOptions{Until: time.Now(), Principal: dancer.PrincipalIn("user")}
	perlImport, err := perl.Import(clients[0].(elasticstore.Client), old)
	if err != nil {
		t.Fatal(err)
	}
	page, err := devices.New(m, "/sign-in", nil)
	if err != nil {
		t.Fatal(err)
	}
	opsConfig := console.Config{Manager: m, Admins: []*cloakroom.Admin{m.Admin()}, Authorize: func(*http.Request) (console.Operator, error) { return console.Operator{}, nil }}
	ops, err := console.New(&opsConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ops.Close() })
	perlImporter, oldIndex := perlImport.From.(*dancer.Importer), perl.OldIndex(clients[0].(elasticstore.Client))

	foreignToken := cloakroom.ForeignToken{ID: theHat, Credential: password, Rest: password}
	foreign := cloakroom.ForeignSession{Version: "1", Values: map[string]json.RawMessage{"hat": json.RawMessage(`"` + theHat + `"`)}}

	return map[string][]any{
		"cloakroom.ForeignToken": {foreignToken}, "cloakroom.ForeignSession": {foreign},
		"cloakroom.Import": {cloakroom.Import{From: newOldLibrary(), Until: time.Now()}},
		"cloakroom.Admin":  {m.Admin()}, "cloakroom.Bearer": {cloakroom.Bearer{}}, "cloakroom.Config": {*config},
		"cloakroom.Cookie": {cloakroom.Cookie{}}, "cloakroom.Device": {cloakroom.Device{Info: rec.Info()}},
		"cloakroom.Events": {*config.Events}, "cloakroom.Ending": {cloakroom.Ending{Info: rec.Info(), Reason: cloakroom.EndRevoked}},
		"cloakroom.EndedError": {ended},
		"cloakroom.Keyring":    {keyring}, "cloakroom.Key": {plantedHat}, "cloakroom.LedgerFault": {cloakroom.LedgerForeign},
		"cloakroom.LoginAttempt": {attempt}, "cloakroom.LoginOptions": {cloakroom.LoginOptions{Attempt: attempt}},
		"cloakroom.Manager": {m}, "cloakroom.Refusal": {cloakroom.RefusedAge}, "cloakroom.SaveMode": {cloakroom.SaveOnce},
		"cloakroom.Session": {s}, "cloakroom.SessionOf": {sessions[0]}, "cloakroom.Tx": {tx},

		"driver.Assurances": {driver.Assurances{}}, "driver.Client": {rec.Client}, "driver.Cursor": {driver.Cursor{}},
		"driver.Due": {driver.DueNothing}, "driver.EndReason": {driver.EndRevoked}, "driver.Fact": {driver.Fact{}},
		"driver.Grave": {*grave.Grave}, "driver.ID": {rec.ID}, "driver.Info": {rec.Info()}, "driver.Kind": {rec.Kind},
		"driver.Layout": {rec.ID.Layout()}, "driver.Order": {driver.OrderSeen},
		"driver.Listed": {driver.Listed{ID: rec.ID, Record: rec}}, "driver.Part": {driver.Part{Items: []driver.Listed{{ID: rec.ID, Record: rec}, {ID: id, Record: grave}}}},
		"driver.Period": {driver.Period{}}, "driver.Problem": {driver.Problem{}}, "driver.Query": {driver.Query{}},
		"driver.Record": {*rec, *grave}, "driver.Report": {report}, "driver.Severity": {driver.SeverityFail},
		"driver.Summary": {driver.Summary{}}, "driver.SweepReport": {driver.SweepReport{}},
		"driver.TruncatedError": {&driver.TruncatedError{}}, "driver.Value": {rec.Values[0]},
		"driver.ValueList": {rec.Values, rec.Extra, grave.Grave.Extra}, "driver.Version": {rec.Version}, "driver.WriteID": {rec.WriteIDs[0]},

		"cloakroom.Figures": {m.Figures()}, "figures.Operations": {m.Figures().Operations}, "figures.Operation": {m.Figures().Operations.Get},
		"figures.Store": {file.Figures()}, "figures.Batches": {file.Figures().Writes}, "figures.Tally": {new(figures.Tally[int64])},
		"figures.Histogram": {file.Figures().Writes.Sizes}, "figures.Bucket": {figures.Bucket[int64]{}},

		"memstore.Config": {memstore.Config{}}, "memstore.Store": {store},
		"sqlitestore.Config": {sqlitestore.Config{}}, "sqlitestore.Store": {file},
		"elasticstore.ClientConfig": {es, byKey, byFile, byKeyFile, byFunction}, "elasticstore.Login": {login, elasticstore.Login{APIKey: apiKey}}, "elasticstore.Client": clients, "elasticstore.Config": {elasticstore.Config{}}, "elasticstore.Drift": {elasticstore.Drift{}}, "elasticstore.Store": {engine},
		"storetest.Harness": {storetest.Harness{}},

		"devices.Config": {devices.Config{Home: "/"}}, "devices.Device": {devices.Device{Device: cloakroom.Device{Info: rec.Info()}}}, "devices.Form": {devices.Form{}},
		"devices.Outcome": {devices.Listed}, "devices.Page": {page}, "devices.View": {devices.View{}},

		"console.Config": {opsConfig}, "console.Console": {ops}, "console.Operator": {console.Operator{Name: "olga"}},
		"console.Act": {console.Act{Actor: "olga", Action: console.ActEnd, ID: rec.ID}}, "console.Action": {console.ActReveal}, "console.Result": {console.ResultDone},

		"dancer.Config": {*perl, perl}, "dancer.Cookie": {perl.Cookie}, "dancer.Warning": {dancer.Warning{}}, "dancer.LoadOptions": {dancer.LoadOptions{}},
		"dancer.ConfigError": {dancer.ConfigError{}}, "dancer.SettingError": {dancer.SettingError{}}, "dancer.Signer": {perl.Signer()},
		"dancer.Sessions": {&dancer.Sessions{Manager: m, Store: engine, Config: perl}}, "dancer.OpenOptions": {dancer.OpenOptions{Keyring: keyring, Import: &old}},
		"dancer.Importer": {perlImporter, *perlImporter}, "dancer.ImportOptions": {old}, "dancer.OldIndex": {oldIndex, *oldIndex}, "dancer.OldState": {dancer.OldState{}},
	}, secrets
}

// printings are the ways to print a value, with their results.
func printings(v any) map[string]string {
	all := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%o"} {
		all[verb] = fmt.Sprintf(verb, v)
	}
	var text, object bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("told", "v", v)
	slog.New(slog.NewJSONHandler(&object, nil)).Info("told", "v", v)
	all["slog as text"], all["slog as JSON"] = text.String(), object.String()
	encoded, err := json.Marshal(v)
	all["JSON"] = fmt.Sprint(string(encoded), err)
	return all
}

// nestings returns a value alone, behind a pointer, and in lists, maps and structs.
func nestings(v any) map[string]any {
	p := reflect.New(reflect.TypeOf(v))
	p.Elem().Set(reflect.ValueOf(v))
	all := map[string]any{
		"itself": v, "a pointer": p.Interface(), "a list": []any{v}, "a map": map[string]any{"v": v}, "a field": struct{ V any }{v},
		"a list of pointers":   []any{p.Interface()},
		"a field of a pointer": &struct{ V any }{v},
	}
	if !holdsValues(v) {
		all["another's unexported field"] = struct{ v any }{v}
		all["a pointer to a struct with an unexported field"] = &struct{ v any }{v}
		all["a pointer in another's unexported field"] = struct{ v any }{p.Interface()}
	}
	return all
}

// holdsValues reports whether a type has values or logins in exported fields, so that
// package fmt prints them without asking where the value is in another's unexported field.
// Where a pointer is, it prints the address, with verbs that fit pointers.
func holdsValues(v any) bool {
	switch v.(type) {
	case driver.Record, driver.Grave, driver.Value, driver.ValueList, driver.Listed, driver.Part, cloakroom.SessionOf, cloakroom.ForeignToken, cloakroom.ForeignSession, elasticstore.ClientConfig, elasticstore.Login:
		return true
	}
	return false
}

// No token, secret, password or value is in a printed, logged or encoded value of the
// packages' exported types.
func TestNothingSecretIsPrinted(t *testing.T) {
	values, secrets := printable(t)
	for name, list := range values {
		for _, v := range list {
			for where, nested := range nestings(v) {
				for how, text := range printings(nested) {
					if what := secrets.search(text); what != "" {
						t.Errorf("%s, %s, by %s: shows %s: %.300s", name, where, how, what, text)
					}
				}
			}
		}
	}
	for name, list := range values {
		for _, v := range list {
			if !holdsValues(v) {
				continue
			}
			p := reflect.New(reflect.TypeOf(v))
			p.Elem().Set(reflect.ValueOf(v))
			for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%d"} {
				if text := fmt.Sprintf(verb, struct{ v any }{p.Interface()}); secrets.search(text) != "" {
					t.Errorf("%s, as a pointer in another's unexported field, by %s: %.300s", name, verb, text)
				}
			}
		}
	}
	// The search would find them.
	for _, raw := range [][]byte{[]byte(theHat), []byte(password)} {
		for how, text := range map[string]string{
			"%v": fmt.Sprintf("%v", struct{ b []byte }{raw}), "%#v": fmt.Sprintf("%#v", struct{ b []byte }{raw}),
			"%x": fmt.Sprintf("%x", struct{ b []byte }{raw}), "JSON": func() string { b, _ := json.Marshal(raw); return string(b) }(),
		} {
			if secrets.search(text) == "" {
				t.Errorf("by %s it isn't found: %s", how, text)
			}
		}
	}
}

// The text of a session in a list says as much as the list: also that it is ending.
func TestPrintedSessionIsEnding(t *testing.T) {
	r := newRig(t, nil)
	rec, err := r.kept(r.signedIn("ann").ID())
	if err != nil {
		t.Fatal(err)
	}
	for _, ending := range []bool{false, true} {
		var got struct {
			ID     cloakroom.ID
			Values []string
			Ending *bool
		}
		b, err := json.Marshal(cloakroom.SessionOf{Record: rec, Ending: ending})
		if err == nil {
			err = json.Unmarshal(b, &got)
		}
		if err != nil || got.ID != rec.ID || got.Ending == nil || *got.Ending != ending {
			t.Errorf("ending %v: as JSON it is %s, %v", ending, b, err)
		}
		if text := fmt.Sprint(cloakroom.SessionOf{Record: rec, Ending: ending}); !strings.Contains(text, rec.ID.String()) || strings.Contains(text, "ending") != ending {
			t.Errorf("ending %v: printed it is %s", ending, text)
		}
	}
}

// Each exported type of each package is among those that are printed, but for
// interfaces, functions and other names of the same type.
func TestAllTypesArePrinted(t *testing.T) {
	values, _ := printable(t)
	dirs := []string{"./dancer"}
	for _, p := range apiPackages {
		dirs = append(dirs, p.dir)
	}
	for _, dir := range dirs {
		for _, name := range exportedTypes(t, dir) {
			if len(values[name]) == 0 {
				t.Errorf("%s isn't printed: add one to printable, with all that it can hold planted in it", name)
			}
			for _, v := range values[name] {
				typ := reflect.TypeOf(v)
				if typ.Kind() == reflect.Pointer {
					typ = typ.Elem()
				}
				if got, _, _ := strings.Cut(typ.String(), "["); got != name && name != "elasticstore.Client" {
					t.Errorf("%s is printed by a %v", name, typ)
				}
			}
		}
	}
}

func exportedTypes(t *testing.T, dir string) (names []string) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", dir, err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range g.Specs {
				s, ok := s.(*ast.TypeSpec)
				if !ok || !s.Name.IsExported() || s.Assign.IsValid() {
					continue
				}
				switch s.Type.(type) {
				case *ast.InterfaceType, *ast.FuncType:
					continue
				}
				names = append(names, file.Name.Name+"."+s.Name.Name)
			}
		}
	}
	return names
}

// The context of a request, and those made of it, tell nothing of the request.
func TestContextIsPrintedWithoutTheRequest(t *testing.T) {
	d := newDesk(t, nil)
	tok, _ := d.stored("a hat")
	secrets := planted{}
	secrets.add("the token", []byte(tok))
	d.ask(func(_ http.ResponseWriter, r *http.Request, _ *cloakroom.Session) error {
		timed, cancel := context.WithTimeout(r.Context(), time.Hour)
		defer cancel()
		type key struct{}
		for name, ctx := range map[string]context.Context{
			"the request's": r.Context(), "one with a timeout": timed, "one that goes on": context.WithoutCancel(r.Context()),
			"one with a value": context.WithValue(r.Context(), key{}, 1),
		} {
			for where, nested := range nestings(ctx) {
				for how, text := range printings(nested) {
					if secrets.search(text) != "" {
						t.Errorf("%s, %s, by %s: shows the token: %.300s", name, where, how, text)
					}
				}
			}
		}
		if text := fmt.Sprint(r.Context()); text != "cloakroom.Manager.Handler" {
			t.Errorf("a context is printed as %q", text)
		}
		return nil
	}, bring(tok))
}

// shout is an application's type whose methods tell the value in their errors.
type shout struct{ text string }

type shoutError struct{ text string }

func (e shoutError) Error() string { return "can't take " + e.text }

func (s shout) MarshalJSON() ([]byte, error)  { return nil, shoutError(s) }
func (s *shout) UnmarshalJSON(b []byte) error { return shoutError{string(b)} }

// causes are an error and all that it unwraps to.
func causes(err error) (all []error) {
	if err == nil {
		return nil
	}
	all = append(all, err)
	switch e := err.(type) { //nolint:errorlint // each step is looked at
	case interface{ Unwrap() error }:
		all = append(all, causes(e.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			all = append(all, causes(err)...)
		}
	}
	return all
}

// Neither an error that a value caused, nor any error that it unwraps to, tells the
// value.
func TestErrorsTellNoValue(t *testing.T) {
	d := newDesk(t, nil)
	secrets := planted{}
	secrets.add("the value", []byte(theHat))
	secrets.add("the number", []byte("4711814"))
	value := func() *cloakroom.Session {
		s, err := d.m.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		plantedHat.Set(s, theHat)
		plantedSize.Set(s, 4711814)
		if err := s.Save(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, f := range map[string]func(*cloakroom.Session) error{
		"a text as a number": func(s *cloakroom.Session) error { cloakroom.NewKey[int]("hat").Get(s); return s.Err() },
		"a number that is too large": func(s *cloakroom.Session) error {
			_, _, err := cloakroom.NewKey[int8]("size").Lookup(s)
			return err
		},
		"a type's own decoder": func(s *cloakroom.Session) error {
			_, _, err := cloakroom.NewKey[shout]("hat").Lookup(s)
			if !errors.As(err, new(shoutError)) {
				t.Errorf("%v is not found by its type", err)
			}
			return err
		},
		"a type's own encoder": func(s *cloakroom.Session) error {
			cloakroom.NewKey[shout]("hat").Set(s, shout{theHat})
			return s.Err()
		},
		"no JSON": func(s *cloakroom.Session) error {
			s.SetRaw("hat", json.RawMessage(theHat))
			return s.Err()
		},
		"a panic of Update": func(s *cloakroom.Session) error {
			other, err := d.m.Retrieve(t.Context(), s.Token())
			if err != nil {
				return err
			}
			plantedHat.Set(other, theHat+"!")
			first := true
			plantedHat.Update(s, func(h string) string {
				if !first {
					panic("it was " + h)
				}
				first = false
				return h
			})
			if err := other.Save(t.Context()); err != nil {
				return err
			}
			return s.Save(t.Context())
		},
		"a panic with an error": func(s *cloakroom.Session) error {
			return s.Update(t.Context(), func(tx *cloakroom.Tx) error { panic(shoutError{plantedHat.Get(tx)}) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := f(value())
			if err == nil {
				t.Fatal("no error")
			}
			for _, cause := range causes(err) {
				for how, text := range printings(cause) {
					if what := secrets.search(text); what != "" {
						t.Errorf("%T, by %s: shows %s: %s", cause, how, what, text)
					}
				}
			}
			if strings.Contains(name, "panic") && !strings.Contains(err.Error(), "printed_test.go") && !strings.Contains(err.Error(), "TestErrorsTellNoValue") {
				t.Errorf("it doesn't tell where: %v", err)
			}
		})
	}
}

// A Record's JSON can't be taken for a record.
func TestRecordsAreNotDecoded(t *testing.T) {
	rec := &driver.Record{Values: driver.ValueList{{Name: "hat", JSON: json.RawMessage(`1`)}}}
	text, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, new(driver.Record)); err == nil {
		t.Error("a Record without values was decoded")
	}
	if text, err = json.Marshal(rec.Values); err == nil {
		err = json.Unmarshal(text, new(driver.ValueList))
	}
	if err == nil {
		t.Error("values without values were decoded")
	}
}

// The error page and the log of a failed request tell neither the token nor a value.
func TestFailuresTellNoToken(t *testing.T) {
	d := newDesk(t, nil)
	tok, _ := d.stored(theHat)
	secrets := planted{}
	secrets.add("the token", []byte(tok))
	secrets.add("the value", []byte(theHat))
	r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
	bring(tok)(r)
	d.m.With(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		cloakroom.NewKey[int]("hat").Set(s, 1)
		cloakroom.NewKey[[]int]("hat").Get(s)
		return s.Save(r.Context())
	}).ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Result().Body)
	for _, text := range slices.Concat([]string{string(body), d.log.String()}) {
		if what := secrets.search(text); what != "" {
			t.Errorf("shows %s: %s", what, text)
		}
	}
}

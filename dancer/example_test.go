package dancer_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/dancer"
	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file is examples of taking over from an application in Perl.

// This runs sessions by the application's file. With is_lazy: 1 the after hook saves.
func ExampleOpen() {
	sessions, err := dancer.Open(context.Background(), "config.yml", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	color := cloakroom.NewKey[string]("color")
	mux := http.NewServeMux()
	mux.Handle("/", sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		color.Set(s, "blue")
		_, err := fmt.Fprintf(w, "The color is %s", color.Get(s))
		return err
	}))
	log.Print(http.ListenAndServe("127.0.0.1:8080", sessions.Handler(sessions.AfterHook(mux))))
}

// This reads an application's settings, and a cookie's value that the old module signed.
func ExampleLoadConfig() {
	dir, err := os.MkdirTemp("", "shop")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "config.yml")
	err = os.WriteFile(path, []byte(`
appname: "Shop"
session: "ElasticSearch"
session_expires: "2 weeks"
session_options:
  connection:
    servers: "search.example:9200"
  index: "my_index"
  signing:
    secret: "ldjaldjaklsdanm.m"
`), 0o600)
	if err != nil {
		log.Fatal(err)
	}

	config, err := dancer.LoadConfig(path, &dancer.LoadOptions{Environment: "production"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(config.Servers, config.Index, config.Cookie.Name, config.Cookie.Expires)

	id, err := config.Signer().Verify("f49cb62faf84ospJPzsMt4hHBaIB85E4Kglfp2y8")
	fmt.Println(id, err)
	_, err = config.Signer().Verify("f49cb62faf84ospJPzsMt4hHBaIB85E4Kglfp2y9")
	fmt.Println(err)
	// Output:
	// [http://search.example:9200] my_index dancer.session 336h0m0s
	// t4hHBaIB85E4Kglfp2y8 <nil>
	// dancer: the value's signature is not verified
}

// An id is signed as the old module does it, so that old processes take the cookie.
func ExampleSigner() {
	signer, err := dancer.NewSigner("ldjaldjaklsdanm.m", 10)
	if err != nil {
		log.Fatal(err)
	}
	value, err := signer.Sign("t4hHBaIB85E4Kglfp2y8")
	fmt.Println(len(value), err) // hash, salt and id
	id, err := signer.Verify(value)
	fmt.Println(id, err)
	_, err = signer.Verify("x" + value[1:])
	fmt.Println("not verified:", errors.Is(err, dancer.ErrNotVerified))
	// Output:
	// 40 <nil>
	// t4hHBaIB85E4Kglfp2y8 <nil>
	// not verified: true
}

// Visitors bring their old sessions along: their values, and who is signed in. The
// application's file stays as it is.
func ExampleOpen_import() {
	sessions, err := dancer.Open(context.Background(), "config.yml", &dancer.OpenOptions{
		Import: &dancer.ImportOptions{
			Until:     time.Date(2027, time.March, 1, 0, 0, 0, 0, time.UTC),
			Principal: dancer.PrincipalIn("user"),
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()

	color := cloakroom.NewKey[string]("color")
	http.Handle("/", sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, err := fmt.Fprintf(w, "%s likes %s", s.Principal(), color.Get(s))
		return err
	}))
	log.Print(http.ListenAndServe("127.0.0.1:8080", sessions.Handler(http.DefaultServeMux)))
}

// This reads an old cookie by itself, without an engine: its signature is right, and a
// response would take it away.
func ExampleConfig_Import() {
	dir, err := os.MkdirTemp("", "shop")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "config.yml")
	err = os.WriteFile(path, []byte("session: ElasticSearch\nsession_options:\n  signing: {secret: ldjaldjaklsdanm.m}\n"), 0o600)
	if err != nil {
		log.Fatal(err)
	}
	config, err := dancer.LoadConfig(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	client, err := elasticstore.NewClient(config.ClientConfig())
	if err != nil {
		log.Fatal(err)
	}
	im, err := config.Import(client, dancer.ImportOptions{Until: time.Now().Add(60 * 24 * time.Hour)})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(im.From.Name())

	r, err := http.NewRequest(http.MethodGet, "/", nil)
	if err != nil {
		log.Fatal(err)
	}
	r.Header.Set("Cookie", "dancer.session=f49cb62faf84ospJPzsMt4hHBaIB85E4Kglfp2y8")
	token, err := im.From.Find(r)
	fmt.Println(token.ID, err)
	r.Header.Set("Cookie", "dancer.session=0000000000........t4hHBaIB85E4Kglfp2y8")
	_, err = im.From.Find(r)
	fmt.Println("forged:", errors.Is(err, cloakroom.ErrForged))
	h := http.Header{}
	im.From.Forget(h)
	fmt.Println(h.Get("Set-Cookie"))
	// Output:
	// dancer session
	// t4hHBaIB85E4Kglfp2y8 <nil>
	// forged: true
	// dancer.session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; HttpOnly
}

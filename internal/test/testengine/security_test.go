package testengine

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecurity(t *testing.T) {
	for name, role := range map[string]Role{
		"opensearch2": {Cluster: []string{"cluster_composite_ops"}, Indices: []string{"coats-*"}, IndicesRights: []string{"crud", "create_index"}},
		"es8":         {Cluster: []string{"monitor"}, Indices: []string{"coats-*"}, IndicesRights: []string{"create_index", "read", "write"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := Start(t, Options{Name: name, Security: &role})
			const doc = `{"colour":"green"}`
			mustSecure(t, e, e.User(), "PUT", "/coats-1/_doc/1", doc, http.StatusCreated)
			mustSecure(t, e, e.User(), "PUT", "/hats-1/_doc/1", doc, http.StatusForbidden)
			mustSecure(t, e, e.User(), "DELETE", "/coats-1", "", http.StatusForbidden)
			mustSecure(t, e, e.Admin(), "PUT", "/hats-1/_doc/1", doc, http.StatusCreated)
			mustSecure(t, e, Login{}, "GET", "/coats-1/_doc/1", "", http.StatusUnauthorized)
			mustSecure(t, e, Login{e.User().User, "wrong"}, "GET", "/coats-1/_doc/1", "", http.StatusUnauthorized)
			var unknown *tls.CertificateVerificationError
			if _, _, err := send(t, "GET", e.URL()+"/", ""); !errors.As(err, &unknown) {
				t.Errorf("without its authority's certificate: %v", err)
			}
			mustSecure(t, e, e.User(), "GET", "/coats-1/_doc/1", "", http.StatusOK)
			if seen := fmt.Sprintf("%v %+v %#v", e.User(), e.User(), e.Admin()); strings.Contains(seen, e.User().Password) ||
				strings.Contains(seen, e.Admin().Password) {
				t.Error("a printed login shows its password")
			}
			e.Stop()
			noPasswords(t, e)
		})
	}
}

// noPasswords checks that no file of the engine has a password.
func noPasswords(t *testing.T, e *Engine) {
	t.Helper()
	err := filepath.WalkDir(e.spec.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, l := range []Login{e.User(), e.Admin()} {
			if bytes.Contains(b, []byte(l.Password)) {
				t.Errorf("%s has the password of %v", path, l)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func mustSecure(t *testing.T, e *Engine, l Login, method, path, body string, want int) string {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(e.CA())
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	req, err := http.NewRequestWithContext(t.Context(), method, e.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if l.User != "" {
		req.SetBasicAuth(l.User, l.Password)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != want {
		t.Fatalf("%s %s as %q: %d instead of %d: %s", method, path, l.User, res.StatusCode, want, answer)
	}
	return string(answer)
}

func TestSecurityIsNotForAll(t *testing.T) {
	_, err := start(t, Options{Name: "es710", Security: &Role{}}, os.Getenv, freePorts)
	if err == nil || !strings.Contains(err.Error(), "opensearch2, es8") {
		t.Errorf("%v", err)
	}
	_, err = start(t, Options{Name: "es8", Security: &Role{}, DataDir: t.TempDir()}, os.Getenv, freePorts)
	if err == nil || !strings.Contains(err.Error(), "data of its own") {
		t.Errorf("%v", err)
	}
}

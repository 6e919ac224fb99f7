package elasticstore

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests new authorities, and addresses with the wrong one of http:// and https://.

// selfSigned makes a certificate for 127.0.0.1 that is its own authority.
func selfSigned(t testing.TB, serial int64) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// TestRotatedCA: a node gets a certificate of another authority, and its file follows,
// while a store writes to a real engine.
func TestRotatedCA(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	first, firstCA := selfSigned(t, 1)
	second, secondCA := selfSigned(t, 2)
	var now atomic.Pointer[tls.Certificate]
	now.Store(&first)
	server := httptest.NewUnstartedServer(newProxy(t, l).server.Config.Handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{*now.Load()}}, nil
	}}
	server.StartTLS()
	defer server.Close()
	path := filepath.Join(t.TempDir(), "ca.pem")
	write := func(parts ...[]byte) {
		if err := os.WriteFile(path, bytes.Join(parts, nil), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(firstCA)
	var told bytes.Buffer
	s, err := Open(testContext(t), ClientConfig{URLs: []string{server.URL}, CAFile: path},
		l.config(func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&told, nil)) }))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cl := s.client.(*client)
	cl.watch.next.Store(1 << 62) // nobody looks but this test
	create := func() error {
		_, err := s.Create(testContext(t), session(driver.LayoutDay, time.Now()))
		return err
	}
	fail := func(what string) {
		t.Helper()
		if err := create(); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: %v", what, err)
		}
	}
	work := func(what string) {
		t.Helper()
		if err := create(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	work("with the first certificate")
	now.Store(&second)
	work("over the connection that there is")
	server.CloseClientConnections()
	cl.close()
	fail("over a new one, of an unknown authority")
	write(firstCA, secondCA[:len(secondCA)/2])
	fail("the file is half-written")
	if n := strings.Count(told.String(), "has no end"); n != 1 {
		t.Errorf("that the file is half-written is logged %d times: %s", n, told.String())
	}
	write()
	fail("the file is empty")
	write(firstCA, secondCA)
	work("an unknown authority has the file read, and the request repeated") // writes too
	write(secondCA)
	cl.watch.next.Store(0)
	work("at the next look")
	now.Store(&first)
	server.CloseClientConnections()
	cl.close()
	fail("the old authority is unknown now")
}

// TestHalfWrittenCA: of a file that is cut off not even the whole certificates are taken.
func TestHalfWrittenCA(t *testing.T) {
	_, first := selfSigned(t, 1)
	_, second := selfSigned(t, 2)
	both := append(bytes.Clone(first), second...)
	for n := range both {
		_, err := authorities(both[:n])
		whole := n >= len(first)-1 && !bytes.Contains(both[len(first):max(n, len(first))], []byte("-----BEGIN")) || n == len(both)-1
		if (err == nil) != whole {
			t.Errorf("the first %d of %d bytes: %v", n, len(both), err)
		}
	}
}

// wrongSchemes are addresses of ports that speak the other protocol than the address says, by what speaks
// there.
func wrongSchemes(t *testing.T) map[string]string {
	t.Helper()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	return map[string]string{
		"Go's server with TLS":    strings.Replace(secure.URL, "https:", "http:", 1),
		"Go's server without TLS": strings.Replace(plain.URL, "http:", "https:", 1),
		"an engine without TLS":   strings.Replace(newLab(t).url, "http:", "https:", 1),
	}
}

// TestWrongScheme: Open fails, and says what to write.
func TestWrongScheme(t *testing.T) {
	t.Parallel()
	for what, address := range wrongSchemes(t) {
		wrongScheme(t, what, address)
	}
}

// wrongScheme checks the error of an address whose scheme is wrong.
func wrongScheme(t *testing.T, what, address string) {
	t.Helper()
	lab := &lab{index: "x"}
	s, err := Open(testContext(t), ClientConfig{URLs: []string{address}, User: "shop", Password: secret}, lab.config(nil))
	if err == nil {
		t.Errorf("%s: Open succeeds", what)
		_ = s.Close()
		return
	}
	want := "Write https:// in ClientConfig.URLs"
	if strings.HasPrefix(address, "https:") {
		want = "Write http:// in ClientConfig.URLs"
	}
	if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
		t.Errorf("%s: %v", what, err)
	}
}

// TestRightScheme: a node that breaks connections off isn't said to speak TLS.
func TestRightScheme(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { breakOff(w, nil, true) }))
	defer server.Close()
	c, err := newClient(ClientConfig{URLs: []string{server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for range 2 {
		req, _ := http.NewRequestWithContext(testContext(t), http.MethodGet, "/", nil)
		if _, err := c.Perform(req); err == nil || strings.Contains(err.Error(), "https") {
			t.Errorf("a reset is told as %v", err)
		}
	}
}

package story

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/examples/frameworks/internal/shop"
)

// This file is the visitor of examples with JSON routes.

type visitor struct {
	t      *testing.T
	url    string
	client *http.Client
}

// JSON returns a visitor of an example with JSON routes.
func JSON(t *testing.T, url string, client *http.Client) Visitor { return visitor{t, url, client} }

func (v visitor) SignIn(name, password string) int {
	return v.do("POST", "/sign-in", url.Values{"name": {name}, "password": {password}}, nil)
}

func (v visitor) SignOut() int { return v.do("POST", "/sign-out", nil, nil) }

func (v visitor) Cart() (c shop.Cart, status int) {
	status = v.do("GET", "/cart", nil, &c)
	return c, status
}

func (v visitor) Put(item string) (c shop.Cart, status int) {
	status = v.do("POST", "/cart", url.Values{"item": {item}}, &c)
	return c, status
}

func (v visitor) Devices() (list []shop.Device, status int) {
	status = v.do("GET", "/devices", nil, &list)
	return list, status
}

func (v visitor) EndDevice(id string) int { return v.do("DELETE", "/devices/"+id, nil, nil) }

// do sends a request, and decodes an answer of 200 into out.
func (v visitor) do(method, path string, form url.Values, out any) (status int) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Error(err)
		return 0
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := v.client.Do(r)
	if err != nil {
		v.t.Error(err)
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusOK && out != nil {
		if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
			v.t.Errorf("%s %s: %v", method, path, err)
		}
	}
	return resp.StatusCode
}

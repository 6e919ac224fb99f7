package main

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/cloakroom-go/cloakroom/examples/frameworks/internal/test/story"
	"github.com/cloakroom-go/cloakroom/memstore"
)

func TestShop(t *testing.T) { story.Run(t, story.HTTP(app)) }

// stream opens a page that stays open. next returns its next message, "" if it has ended.
type stream func(ctx context.Context, t *testing.T, url string, client *http.Client) (status int, next func() string)

func events(ctx context.Context, t *testing.T, url string, client *http.Client) (int, func() string) {
	r, err := http.NewRequestWithContext(ctx, "GET", url+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	return resp.StatusCode, func() string {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return data
			}
		}
		if err := lines.Err(); err != nil {
			t.Errorf("the stream broke off: %v", err)
		}
		return ""
	}
}

func socket(ctx context.Context, t *testing.T, url string, client *http.Client) (int, func() string) {
	c, resp, err := websocket.Dial(ctx, url+"/socket", &websocket.DialOptions{HTTPClient: client})
	if err != nil && resp == nil {
		t.Fatal(err)
	}
	if err != nil {
		return resp.StatusCode, nil
	}
	t.Cleanup(func() { c.CloseNow() })
	return http.StatusOK, func() string {
		_, text, err := c.Read(ctx)
		if err != nil && websocket.CloseStatus(err) != websocket.StatusNormalClosure {
			t.Errorf("the socket broke off: %v", err)
		}
		return string(text)
	}
}

// A page that stays open shows the cart's changes, and ends when its device is ended.
func TestStreams(t *testing.T) {
	for name, open := range map[string]stream{"SSE": events, "WebSocket": socket} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			store := memstore.New(nil)
			t.Cleanup(func() { store.Close() })
			sessions, _ := story.Open(t, store)
			server := httptest.NewServer(routes(handlers{sessions, 10 * time.Millisecond}))
			t.Cleanup(server.Close)
			laptop := story.JSON(t, server.URL, story.Client(t, "laptop"))
			client := story.Client(t, "phone")
			phone := story.JSON(t, server.URL, client)
			if status, _ := open(ctx, t, server.URL, client); status != 401 {
				t.Errorf("nobody is signed in: got the status %d", status)
			}
			if a, b := laptop.SignIn("ann", "sesame"), phone.SignIn("ann", "sesame"); a != 204 || b != 204 {
				t.Fatalf("sign in: %d, %d", a, b)
			}
			_, next := open(ctx, t, server.URL, client)
			if got := next(); got != "{}" {
				t.Errorf("got %q, want an empty cart", got)
			}
			if _, status := phone.Put("hat"); status != 200 {
				t.Fatalf("put: %d", status)
			}
			if got := next(); got != `{"hat":1}` {
				t.Errorf("got %q, want a hat", got)
			}
			list, _ := laptop.Devices()
			for _, d := range list {
				if !d.Current && laptop.EndDevice(d.ID) != 204 {
					t.Errorf("%s isn't ended", d.Agent)
				}
			}
			if got := next(); got != "" {
				t.Errorf("the device was ended, and its page shows %q", got)
			}
		})
	}
}

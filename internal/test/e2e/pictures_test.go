package e2e

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// This file is the pictures of README and of the documents.

var newPictures = flag.Bool("pictures", false, "take the pictures of README and of the documents anew")

// pictureFolder has them.
func pictureFolder() string { return filepath.Join("..", "..", "..", "docs", "images") }

// TestPictures: the pictures that documents show are there, and small. With -pictures it
// takes them.
func TestPictures(t *testing.T) {
	if *newPictures {
		takePictures(t)
	}
	for _, document := range []string{"README.md", "docs/console.md", "docs/recipes.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", document))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("images/")) {
			t.Errorf("%s shows no picture", document)
		}
	}
	all, err := filepath.Glob(filepath.Join(pictureFolder(), "*"))
	if err != nil || len(all) == 0 {
		t.Fatalf("%d pictures: %v", len(all), err)
	}
	for _, path := range all {
		const most = 150 << 10
		if about, err := os.Stat(path); err != nil || about.Size() > most {
			t.Errorf("%s has %d bytes, at most %d are allowed (%v)", path, about.Size(), most, err)
		}
	}
}

// shot writes a picture of what a window of this size shows.
func (b *browser) shot(name, scheme string, width, height int64) {
	b.t.Helper()
	b.scheme(scheme)
	b.do("choosing the window", chromedp.EmulateViewport(width, height))
	quality := int64(88)
	picture, err := chromedp.Run(b.ctx, chromedp.Action[page.CaptureScreenshotResult](func(ctx context.Context, t *chromedp.Target) (page.CaptureScreenshotResult, error) {
		return cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: &quality})
	}))
	if err != nil {
		b.t.Fatalf("taking %s: %v", name, err)
	}
	if err := os.WriteFile(filepath.Join(pictureFolder(), name+".webp"), picture.Data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func takePictures(t *testing.T) {
	s, b := openConsoleSite(t, openFile(t)), openBrowser(t)
	s.pass(41 * time.Minute)
	s.crowd(900)
	_, id := s.comes(laptop())
	s.comes(phone())
	o := s.operator(b)
	o.scheme("light")
	o.open("")
	o.until("the figures", `!document.body.textContent.includes("till being")`)
	o.shot("console", "light", 1280, 860)
	o.shot("console-dark", "dark", 1280, 860)
	o.shot("console-phone", "light", 400, 860)
	o.open("session/" + id.String())
	o.shot("console-session", "light", 1280, 820)

	d := openDevicesSite(t)
	d.signedIn(b.incognito(t), "mila", safariPhone, "198.51.100.61", true)
	d.pass(25 * time.Hour)
	d.signedIn(b.incognito(t), "mila", firefoxLinux, "192.0.2.77", false)
	d.pass(40 * time.Minute)
	here := d.signedIn(b.incognito(t), "mila", chromeWindows, "203.0.113.24", false)
	here.list()
	here.shot("devices", "light", 860, 560)

	program, addr := buildDemo(t), freeAddr(t)
	startDemo(t, program, t.TempDir(), []string{"demo", "--addr", addr, "--store", "sqlite:" + filepath.Join(t.TempDir(), "demo.db")})
	shop := b.incognito(t)
	shop.visit("http://" + addr + "/")
	shop.signIn("Ada")
	for i, item := range []string{"trench", "umbrella", "scarf"} {
		shop.click(`button[data-focus="add-` + item + `"]`)
		shop.wantText("nav .count", strconv.Itoa(i+1))
	}
	shop.click(`button[data-focus="more-umbrella"]`)
	shop.wantText("nav .count", "4")
	shop.visit("http://" + addr + "/")
	shop.shot("demo", "light", 1280, 800)
}

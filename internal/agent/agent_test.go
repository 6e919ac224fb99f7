package agent_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom/internal/agent"
)

// This file is the tests of Reader, with agents that programs really send.

func TestRead(t *testing.T) {
	r := agent.NewReader()
	for _, tt := range []struct {
		agent string
		want  string
		kind  agent.Kind
	}{
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", "Chrome on Windows", agent.Desktop},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.3485.54", "Edge on Windows", agent.Desktop},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 OPR/122.0.0.0", "Opera on Windows", agent.Desktop},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox on Windows", agent.Desktop},
		{"Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko", "Internet Explorer on Windows", agent.Desktop},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15", "Safari on macOS", agent.Desktop},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", "Chrome on macOS", agent.Desktop},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox on macOS", agent.Desktop},
		{"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", "Chrome on Linux", agent.Desktop},
		{"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0.0.0 Safari/537.36", "Chrome on Linux", agent.Desktop},
		{"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox on Linux", agent.Desktop},
		{"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux", agent.Desktop},
		{"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", "Chrome on ChromeOS", agent.Desktop},
		{"Mozilla/5.0 (X11; FreeBSD amd64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on FreeBSD", agent.Desktop},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1", "Safari on iPhone", agent.Phone},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0.7339.101 Mobile/15E148 Safari/604.1", "Chrome on iPhone", agent.Phone},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/143.0 Mobile/15E148 Safari/605.1.15", "Firefox on iPhone", agent.Phone},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 397.0.0.22.77 (iPhone15,2; iOS 18_6; en_US; en; scale=3.00; 1179x2556)", "Safari on iPhone", agent.Phone},
		{"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1", "Safari on iPad", agent.Tablet},
		{"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome on Android", agent.Phone},
		{"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36", "Chrome on Android", agent.Tablet},
		{"Mozilla/5.0 (Linux; Android 10; CUBOT X30) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36", "Chrome on Android", agent.Phone},
		{"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", "Samsung Internet on Android", agent.Phone},
		{"Mozilla/5.0 (Android 15; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0", "Firefox on Android", agent.Phone},
		{"Mozilla/5.0 (Android 15; Tablet; rv:143.0) Gecko/143.0 Firefox/143.0", "Firefox on Android", agent.Tablet},
		{"Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0.4606.128 Safari/537.36 WebAppManager", "Unknown program", agent.Other},
		{"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot", agent.Bot},
		{"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot", agent.Bot},
		{"Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)", "Baiduspider", agent.Bot},
		{"curl/8.5.0", "curl", agent.Other},
		{"Wget/1.21.4", "Wget", agent.Other},
		{"Go-http-client/1.1", "Go program", agent.Other},
		{"python-requests/2.32.3", "python-requests", agent.Other},
		{"okhttp/4.12.0", "okhttp", agent.Other},
		{"Shop 3.1 for iOS", "Shop 3.1 for iOS", agent.Other},
		{"", "Unknown program", agent.Other},
		{"   ", "Unknown program", agent.Other},
		{"/", "Unknown program", agent.Other},
		{"Mozilla/5.0", "Unknown program", agent.Other},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "Unknown browser on Windows", agent.Desktop},
		{"<script>alert(1)</script>", "<script>alert(1)<", agent.Other},
		{strings.Repeat("ü", 50), strings.Repeat("ü", 40), agent.Other},
		{"evil\u202etxt\x1b[31m/1", "eviltxt[31m", agent.Other},
	} {
		if got := r.Read(tt.agent); got.String() != tt.want || got.Kind != tt.kind {
			t.Errorf("%s\ngot  %s, %s\nwant %s, %s", tt.agent, got, got.Kind, tt.want, tt.kind)
		}
	}
}

// FuzzRead: whatever a client sends, the words are short and harmless.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"", "Mozilla/5.0 (X11; Linux", "curl/8", "a_en-US;", ".9", "Mozilla/5.0 (\xff\xfe", "xbot/1"} {
		f.Add(s)
	}
	r := agent.NewReader()
	f.Fuzz(func(t *testing.T, s string) {
		a := r.Read(s)
		text := a.String()
		switch {
		case a.Kind == "" || text == "":
			t.Errorf("%q: %+v", s, a)
		case utf8.RuneCountInString(text) > 80 || !utf8.ValidString(text):
			t.Errorf("%q: %q", s, text)
		case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
			t.Errorf("%q: %q has characters that don't print", s, text)
		}
	})
}

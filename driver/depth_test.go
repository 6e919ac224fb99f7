package driver_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/driver"
)

func TestDepth(t *testing.T) {
	for text, want := range map[string]int{
		`1`: 0, `"[[["`: 0, `"\"[["`: 0, `"\\"`: 0, `[]`: 1, `{}`: 1, `[1,[]]`: 2, `{"a":[{}]}`: 3, `[[],[],[[]]]`: 3,
		`{"[[[":"{{"}`: 1, `{"\"[":["\\",[]]}`: 3, `["]",[[]]]`: 3,
	} {
		if got := driver.Depth(json.RawMessage(text)); got != want {
			t.Errorf("Depth(%s): %d, want %d", text, got, want)
		}
	}
	for _, broken := range []string{``, `"`, `"\`, `[[`, `]]`, `["\"]`} {
		driver.Depth(json.RawMessage(broken)) // doesn't panic
	}
}

func TestCheckDepth(t *testing.T) {
	nested := func(n int, open, inside, shut string) string {
		return strings.Repeat(open, n) + inside + strings.Repeat(shut, n)
	}
	for _, tt := range []struct {
		text string
		deep bool
	}{
		{nested(driver.MaxDepth, `[`, ``, `]`), false},
		{nested(driver.MaxDepth+1, `[`, ``, `]`), true},
		{nested(driver.MaxDepth, `{"a":`, `1`, `}`), false},
		{nested(driver.MaxDepth, `{"a":`, `{}`, `}`), true},
		{nested(driver.MaxDepth, `[`, `"`+strings.Repeat(`[`, 2000)+`"`, `]`), false},
		{"[" + strings.Repeat(`[],`, 3000) + "[]]", false},
		{"[" + strings.Repeat(`[],`, 3000) + nested(driver.MaxDepth, `[`, ``, `]`) + "]", true},
	} {
		list := driver.NewValueList(map[string]json.RawMessage{"a": json.RawMessage(`1`), "b": json.RawMessage(tt.text)})
		err := driver.CheckDepth(list)
		if errors.Is(err, driver.ErrInvalid) != tt.deep || (err == nil) == tt.deep {
			t.Errorf("%.20s… of %d bytes: %v, want too deep %v", tt.text, len(tt.text), err, tt.deep)
		}
		if tt.deep && (!strings.Contains(err.Error(), fmt.Sprint(driver.MaxDepth+1)) || !strings.Contains(err.Error(), `"b"`)) {
			t.Errorf("the error tells neither name nor depth: %v", err)
		}
	}
	if err := driver.CheckDepth(nil); err != nil {
		t.Error(err)
	}
}

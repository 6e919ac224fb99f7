package history_test

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	. "github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

// Searching and counting don't rely on each other: what both can see, each sees.
func TestSearchAndCountingBothCatch(t *testing.T) {
	for name, f := range map[string]Family{
		"a lost update":                       told(create, update, update, get(0, 3)),
		"an update done twice":                told(create, update, get(0, 2, 2)),
		"a session that comes back":           told(create, destroy, get(0)),
		"a sign-in from a signed-out session": told(create, destroy, login),
		"a session left by RevokeAll":         told(signIn, revoke, get(0)),
		"a value that comes back":             told(create, setA, unsetA, get(2)),
		"a token renewed nine times":          renewedTimes(9, get(0)),
	} {
		if v := Check(f, time.Minute); !v.NoOrder || len(v.Broken) == 0 {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// long is a family in which update 30 is lost, among much else.
func long() Family {
	ops := []Op{create}
	var log []int
	for n := 2; n <= 60; n++ {
		switch n % 3 {
		case 0:
			ops = append(ops, update)
			if n != 30 {
				log = append(log, n)
			}
		case 1:
			ops = append(ops, get(0, log...))
		default:
			ops = append(ops, with(Unavailable, setA))
		}
	}
	return told(ops...)
}

func TestCheckerExplains(t *testing.T) {
	c := NewChecker(&Options{Dir: t.TempDir()})
	c.Add(told(create, update, get(0, 2)))
	c.Add(long())
	r := c.Close()
	if r.Families != 2 || r.Failed != 1 || len(r.Failures) != 1 || r.Undecided != 0 {
		t.Fatalf("%+v", r)
	}
	if err := r.Err(Create, Get, Update); err == nil || !strings.Contains(err.Error(), "1 families break") {
		t.Errorf("the report's error: %v", err)
	}
	f := r.Failures[0]
	if n := len(f.Smallest.Ops); n != 3 {
		t.Errorf("the smallest history has %d operations, want 3: create, the lost update, and the first Get that misses it", n)
	}
	for _, want := range []string{"create: done s1.t1", "update s1.t1 +30: done", "get s1.t1: done {}"} {
		if !strings.Contains(f.String(), want) {
			t.Errorf("the explanation lacks %q:\n%s", want, f.String())
		}
	}
	if len(f.Files) != 3 {
		t.Fatalf("files: %q", f.Files)
	}
	for _, name := range f.Files {
		if !strings.Contains(f.String(), name) {
			t.Errorf("the explanation doesn't name %s", name)
		}
		b, err := os.ReadFile(name)
		if err != nil || len(b) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	// What was written fails again.
	file, err := os.Open(f.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	again, err := Read(file)
	if err != nil || len(again) != 1 || !Check(again[0], time.Minute).Failed() {
		t.Errorf("read again: %d families, %v", len(again), err)
	}
}

func TestWriteRead(t *testing.T) {
	families := []Family{long(), told(create, setA, get(2))}
	families[1].Idle, families[1].Number = 5, 2
	var b bytes.Buffer
	for i := range families {
		if err := Write(&b, &families[i]); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(&b)
	if err != nil || !reflect.DeepEqual(got, families) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"{", "{}", `{"op":{"n":1}}`} {
		if _, err := Read(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestReportOfARunThatShowsNothing(t *testing.T) {
	c := NewChecker(nil)
	c.Add(told(create, with(Unavailable, update)))
	r := c.Close()
	if err := r.Err(Create); err != nil {
		t.Error(err)
	}
	if err := r.Err(Create, Update); err == nil || !strings.Contains(err.Error(), "no update ever succeeded") {
		t.Errorf("%v", err)
	}
	if r.Count(Update, Unavailable) != 1 || !strings.Contains(r.String(), "unavailable 1") {
		t.Error(r)
	}
}

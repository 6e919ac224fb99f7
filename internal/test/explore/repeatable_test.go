package explore

import "testing"

// A client whose run can't be repeated has the scenario explored anew.
func TestRepeatable(t *testing.T) {
	n := 0
	repeatable(t, func() {
		if n++; n < 3 {
			panic(notRepeatable(1))
		}
	})
	if n != 3 {
		t.Errorf("explored %d times, want 3", n)
	}
}

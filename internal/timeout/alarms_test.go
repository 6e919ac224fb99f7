package timeout

import (
	"testing"
	"testing/synctest"
	"time"
)

func (a *Alarms) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.set)
}

// TestAlarms asks for alarms in any order. Each goes off in its step, and those of one
// step share a timer.
func TestAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAlarms(step)
		began := time.Now()
		type asked struct {
			end  time.Duration
			late <-chan struct{}
		}
		var all []asked
		for _, end := range []time.Duration{9 * step, step / 2, 9*step + step/2, step * 3 / 4, 3 * step, 10*step - 1} {
			all = append(all, asked{end, a.at(began.Add(end))})
		}
		if n := a.count(); n != 3 {
			t.Errorf("%d timers instead of 3", n)
		}
		for range 44 {
			for _, one := range all {
				now := time.Since(began)
				if isClosed(one.late) && now < one.end || !isClosed(one.late) && now > one.end+step {
					t.Errorf("at %v the alarm for %v has gone off: %v", now, one.end, isClosed(one.late))
				}
			}
			time.Sleep(step / 4)
			synctest.Wait()
		}
		if n := a.count(); n != 0 {
			t.Errorf("%d are kept", n)
		}
		late := a.at(began) // long ago
		synctest.Wait()
		time.Sleep(step)
		if !isClosed(late) {
			t.Error("one for a time that is over doesn't go off")
		}
	})
}

func TestAlarmsStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAlarms(step)
		soon, later := a.at(time.Now().Add(step)), a.at(time.Now().Add(time.Minute))
		a.Stop()
		a.Stop()
		time.Sleep(time.Hour)
		synctest.Wait()
		if isClosed(soon) || isClosed(later) || a.count() != 0 {
			t.Errorf("gone off: %v, %v; %d are kept", isClosed(soon), isClosed(later), a.count())
		}
	})
}

// TestAlarmsOfNoStep: a timeout may be so short that a fraction of it, as a step, is
// zero.
func TestAlarmsOfNoStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAlarms(0)
		defer a.Stop()
		began := time.Now()
		<-a.at(began.Add(1))
		if took := time.Since(began); took > leastStep {
			t.Errorf("it went off after %v", took)
		}
	})
}

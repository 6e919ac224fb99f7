package main

import "time"

// This file is operations of machines whose clock is wrong.

func clocks() []operation {
	sweeping := func(name, title string, apart time.Duration, w want) operation {
		return operation{
			name: name, title: title, want: w,
			do: func(s *stage) {
				s.sweep(func(o *siteOptions) {
					o.manager.Now = func() time.Time { return time.Now().Add(apart) }
				})
			},
		}
	}
	ahead := want{report: []string{"clock-ahead"}, after: []string{"clock-ahead"}, log: []string{"ERROR"}}
	behind := want{report: []string{"clock-behind"}, after: []string{"clock-behind"}, log: []string{"WARN"}}
	return []operation{
		sweeping("clock-40-days", "a machine whose clock is 40 days ahead sweeps", 40*24*time.Hour, ahead),
		sweeping("clock-200-hours", "one whose clock is 200 hours ahead sweeps", 200*time.Hour, ahead),
		sweeping("clock-hour-ahead", "one whose clock is an hour ahead sweeps", time.Hour, ahead),
		sweeping("clock-hour-behind", "one whose clock is an hour behind sweeps", -time.Hour, behind),
	}
}

package main

import "time"

// This file is operations of machines whose clock is wrong.

func clocks() []operation {
	sweeping := func(name, title string, apart time.Duration, w want) operation {
		return operation{
			name: name, title: title, want: w,
			do: func(s *stage) {
				err := s.sweep(func(o *siteOptions) {
					o.manager.Now = func() time.Time { return time.Now().Add(apart) }
				})
				if err != nil {
					s.told.logger().Error("the sweep failed", "error", err)
				}
			},
			then: &want{report: []string{"*"}, after: []string{"*"}, log: []string{"ERROR"}},
		}
	}
	return []operation{
		sweeping("clock-40-days", "a machine whose clock is 40 days ahead sweeps", 40*24*time.Hour, want{
			see: everywhere("200 503"), out: "?", recover: itWill, lost: "live sessions", log: []string{"*"}, report: []string{"*"}, after: []string{"*"},
		}),
		sweeping("clock-hour-ahead", "one whose clock is an hour ahead sweeps", time.Hour, want{log: []string{"*"}}),
		sweeping("clock-hour-behind", "one whose clock is an hour behind sweeps", -time.Hour, want{log: []string{"*"}}),
	}
}

// Package workload has clients work on sessions, many at once on the same few,
// in this process and in others, and has package history judge what they were
// told.
//
// All choices are drawn, all times taken and all tokens kept in the process
// that calls Run. An Executor only does what it is asked, in this process
// (Local) or in another (Spawn, Serve), where it may be killed at any moment: a
// time that was taken before a request went out and one after its answer came
// in enclose what happened, whatever the clocks of other processes say.
package workload

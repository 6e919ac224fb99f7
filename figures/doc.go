// Package figures is what a process counts of its sessions and stores: for consoles,
// exporters and tests. cloakroom.Manager.Figures has all of it; driver.Counter is how a
// store adds its own.
//
// Figures are cumulative: they begin at zero with the Manager or the store, and never
// fall. Only those that say "now" may, and Figures.ClockAhead, which is the last that was
// measured. A rate is the difference of two readings, divided by the time between them;
// Histogram.Minus is that difference for histograms.
//
// A reading costs some microseconds and holds nobody up. It isn't one moment's: what ends
// meanwhile may be in one figure and not yet in another.
package figures

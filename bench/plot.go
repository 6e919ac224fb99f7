package main

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	_ "gonum.org/v1/plot/vg/vgsvg" // the format
)

// This file draws the plots.

// Plot is the picture of a case: a line for each series of its sides, or the
// distribution of each side's latencies.
type Plot struct {
	Title, X, Y  string
	Unit         string  // of the line
	Scale        float64 // from the unit to that of Y; defaults to 1
	LogX         bool
	Distribution bool
}

// Colours that people with any kind of sight can tell apart.
var colours = []color.Color{
	color.RGBA{0, 114, 178, 255}, color.RGBA{213, 94, 0, 255}, color.RGBA{0, 158, 115, 255}, color.RGBA{204, 121, 167, 255},
}

func (o *Outcome) draw(path string) error {
	about := o.Case.Plot
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = about.Title, about.X, about.Y
	p.BackgroundColor = color.White
	p.Legend.Top, p.Legend.Left, p.Legend.Padding = true, true, vg.Points(3) // lines rise from the left
	p.Add(plotter.NewGrid())
	names, lines := o.lines()
	for i, points := range lines {
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return fmt.Errorf("%s: %w", names[i], err)
		}
		line.Color, line.Width = colours[i%len(colours)], vg.Points(1.5)
		dots.Color, dots.Shape, dots.Radius = line.Color, draw.CircleGlyph{}, vg.Points(2.5)
		p.Add(line)
		p.Legend.Add(names[i], line)
		if !about.Distribution {
			p.Add(dots)
		}
	}
	if about.Distribution {
		p.X.Tick.Marker = percents
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, spaced{plot.LogTicks{Prec: -1}}
		p.Y.Max *= 3 // room for the legend
	} else {
		p.X.Tick.Marker = places(lines)
		p.Y.Tick.Marker = spaced{plot.DefaultTicks{}}
		p.Y.Min, p.Y.Max = 0, p.Y.Max*1.25
	}
	// The last tick's label is centred there.
	if about.LogX {
		p.X.Scale = plot.LogScale{}
		p.X.Max *= 1.2
	} else {
		p.X.Max *= 1.03
	}
	return p.Save(7*vg.Inch, 4*vg.Inch, path)
}

// spaced are ticks whose labels keep a distance, whatever font a browser takes, and have
// the page's notation.
type spaced struct{ plot.Ticker }

func (s spaced) Ticks(lowest, highest float64) []plot.Tick {
	ticks := s.Ticker.Ticks(lowest, highest)
	for i, t := range ticks {
		if t.Label != "" {
			ticks[i].Label = number(t.Value) + "  "
		}
	}
	return ticks
}

// places returns ticks at the measured places.
func places(lines []plotter.XYs) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for _, line := range lines {
		for _, at := range line {
			if !slices.ContainsFunc(ticks, func(t plot.Tick) bool { return t.Value == at.X }) {
				ticks = append(ticks, plot.Tick{Value: at.X, Label: short(at.X)})
			}
		}
	}
	return ticks
}

// short formats a number briefly.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'f', -1, 64) + " M"
	case v >= 1e4:
		return strconv.FormatFloat(v/1e3, 'f', -1, 64) + " k"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// percents are ticks of a distribution, whose X is the number of nines.
var percents = plot.ConstantTicks{{Value: 0, Label: "0 %"}, {Value: 1, Label: "90 %"}, {Value: 2, Label: "99 %"}, {Value: 3, Label: "99.9 %"}, {Value: 4, Label: "99.99 %"}}

// lines returns the plot's lines, by name in the order of the sides.
func (o *Outcome) lines() (names []string, lines []plotter.XYs) {
	about := o.Case.Plot
	scale := about.Scale
	if scale == 0 {
		scale = 1
	}
	for _, s := range o.Sides {
		name := s.Series
		if name == "" {
			name = s.Name
		}
		i := slices.Index(names, name)
		if i < 0 {
			i = len(names)
			names, lines = append(names, name), append(lines, nil)
		}
		if about.Distribution {
			lines[i] = o.distribution(s.Name)
			continue
		}
		if all := o.all(s.Name, about.Unit); len(all) > 0 {
			lines[i] = append(lines[i], plotter.XY{X: s.X, Y: median(all) * scale})
		}
	}
	return names, lines
}

// distribution returns the milliseconds that a share of operations didn't exceed, of all
// rounds together. Its X is the number of nines in that share: 2 is 99 %.
func (o *Outcome) distribution(side string) plotter.XYs {
	var all []float64
	for _, round := range o.Rounds {
		for _, d := range round[side].Latencies {
			all = append(all, d.Seconds()*1000)
		}
	}
	slices.Sort(all)
	var points plotter.XYs
	for longer := 1.0; longer > 1e-4 && longer*float64(len(all)) >= 1; longer *= 0.8 {
		points = append(points, plotter.XY{X: -math.Log10(longer), Y: quantile(all, 1-longer)})
	}
	return points
}

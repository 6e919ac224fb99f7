package main

import (
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	_ "gonum.org/v1/plot/vg/vgsvg" // the format
)

// Plot is a picture of a case: a line for each series of its sides, or the
// distribution of each side's latencies.
type Plot struct {
	Title, X, Y  string
	Unit         string  // of the line
	Scale        float64 // of the unit, to that of Y; defaults to 1
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
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	if about.LogX {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
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
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	} else {
		p.Y.Min = 0
	}
	return p.Save(7*vg.Inch, 4*vg.Inch, path)
}

// lines are the plot's, by name in the order of the sides.
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

// distribution has the share of operations on X that took longer than Y
// milliseconds, in all rounds together.
func (o *Outcome) distribution(side string) plotter.XYs {
	var all []float64
	for _, round := range o.Rounds {
		for _, d := range round[side].Latencies {
			all = append(all, d.Seconds()*1000)
		}
	}
	slices.Sort(all)
	var points plotter.XYs
	for longer := 0.9; longer > 1e-4 && longer*float64(len(all)) >= 1; longer *= 0.8 {
		points = append(points, plotter.XY{X: longer, Y: quantile(all, 1-longer)})
	}
	slices.Reverse(points) // X grows
	return points
}

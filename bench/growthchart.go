package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// chartFile is the chart of a growth.
func (g *growth) chartFile() string {
	return "growth-" + strings.ReplaceAll(g.name, " ", "-") + ".svg"
}

// growthCharts draws one for each growth that was measured.
func growthCharts(r *results, dir string) error {
	var failures []error
	for _, g := range growths(r.Scale) {
		var plots []*plot.Plot
		for _, quantity := range []string{growthTime, growthCPU, growthMemory, growthIdle} {
			p, err := g.line(r, quantity)
			failures = append(failures, err)
			if p != nil {
				plots = append(plots, p)
			}
		}
		if len(plots) > 0 {
			failures = append(failures, drawn(plots, filepath.Join(dir, g.chartFile())))
		}
	}
	return errors.Join(failures...)
}

// line draws a quantity over the numbers, both on plain axes, where what grows as its work is straight, and
// a thin line from nothing to the last point beside it; none: no plot.
func (g *growth) line(r *results, quantity string) (*plot.Plot, error) {
	var points plotter.XYs
	for _, n := range g.sizes {
		if v, ok := r.value(g.scenario(), g.subject(n), quantity); ok {
			points = append(points, plotter.XY{X: float64(n), Y: v})
		}
	}
	if len(points) < 2 {
		return nil, nil
	}
	p := newPlot(quantity)
	line, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return nil, fmt.Errorf("draw %s of %s: %w", quantity, g.name, err)
	}
	straight, err := plotter.NewLine(plotter.XYs{points[0], points[len(points)-1]})
	if err != nil {
		return nil, fmt.Errorf("draw %s of %s: %w", quantity, g.name, err)
	}
	straight.Color, straight.Width = grey, vg.Points(1)
	line.Color, line.Width, dots.Color, dots.Shape = green, vg.Points(2), green, draw.CircleGlyph{}
	last := points[len(points)-1]
	label, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{last}, Labels: []string{format(last.Y)}})
	if err != nil {
		return nil, fmt.Errorf("draw the figures: %w", err)
	}
	label.TextStyle[0].XAlign, label.Offset.Y = draw.XRight, vg.Points(6)
	p.Add(straight, line, dots, label)
	p.X.Label.Text, p.X.Min, p.X.Max = g.unit, 0, last.X
	p.X.Tick.Marker = plot.ConstantTicks{{Value: 0, Label: "0"}, {Value: last.X / 2, Label: format(last.X / 2)}, {Value: last.X, Label: format(last.X)}}
	top := 0.0
	for _, at := range points {
		top = max(top, at.Y)
	}
	p.Y.Min, p.Y.Max = 0, max(top*1.2, 0.1)
	return p, nil
}

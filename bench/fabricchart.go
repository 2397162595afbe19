package main

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// fabricChart draws what a PE needs as their number grows, a line each; none where no fabric was
// measured.
func fabricChart(r *results, path string) error {
	var plots []*plot.Plot
	for _, quantity := range []string{fabricMemory, fabricCPU, fabricAdded} {
		p, err := fabricLine(r, quantity)
		if p == nil || err != nil {
			return err
		}
		plots = append(plots, p)
	}
	return drawn(plots, path)
}

// fabricLine draws one quantity of the fabrics over the number of their PEs; none: no plot.
func fabricLine(r *results, quantity string) (*plot.Plot, error) {
	var points plotter.XYs
	for _, f := range r.Figures {
		pes := 0
		if f.Scenario != fabricScenario || f.Quantity != quantity {
			continue
		}
		if _, err := fmt.Sscanf(f.Subject, "%d PEs", &pes); err != nil {
			return nil, fmt.Errorf("read the number of PEs of %q: %w", f.Subject, err)
		}
		points = append(points, plotter.XY{X: float64(pes), Y: f.Median})
	}
	if len(points) == 0 {
		return nil, nil
	}
	slices.SortFunc(points, func(a, b plotter.XY) int { return int(a.X - b.X) })
	p := newPlot(quantity)
	line, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return nil, fmt.Errorf("draw %s: %w", quantity, err)
	}
	line.Color, line.Width, dots.Color, dots.Shape = green, vg.Points(2), green, draw.CircleGlyph{}
	labels := plotter.XYLabels{XYs: points}
	var ticks plot.ConstantTicks
	top := 0.0
	for _, at := range points {
		labels.Labels = append(labels.Labels, format(at.Y))
		ticks = append(ticks, plot.Tick{Value: at.X, Label: format(at.X)})
		top = max(top, at.Y)
	}
	text, err := plotter.NewLabels(labels)
	if err != nil {
		return nil, fmt.Errorf("draw the figures: %w", err)
	}
	for i := range text.TextStyle {
		text.TextStyle[i].XAlign = draw.XCenter
	}
	text.Offset.Y = vg.Points(6)
	p.Add(line, dots, text)
	p.X.Label.Text, p.X.Tick.Marker = "PEs", ticks
	p.X.Min, p.X.Max = points[0].X-0.5, points[len(points)-1].X+0.5
	p.Y.Min, p.Y.Max = 0, top*1.2
	return p, nil
}

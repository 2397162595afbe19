package main

import (
	"fmt"
	"image/color"
	"os"
	"sync"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

var (
	green = color.RGBA{R: 0x1b, G: 0x7f, B: 0x5c, A: 0xff}
	grey  = color.RGBA{R: 0x9a, G: 0xa5, B: 0xb1, A: 0xff}
)

// chart draws two panels of bars: the session to the kernel, and the failover on
// a logarithmic axis.
func (r *results) chart(path string) error {
	var plots []*plot.Plot
	panels := []struct {
		title, scenario, quantity string
		subjects                  []string
		log                       bool
	}{
		{fmt.Sprintf("BGP session of %s prefixes to the kernel, s", thousands(float64(r.IPv4))), "session", "s", []string{ours, bird3, frr10, bird, frr, alone}, false},
		{"Failover of all of them, ms (logarithmic)", "failover", "ms", []string{ours, bird3, frr10, bird, frr}, true},
	}
	for _, panel := range panels {
		p, err := r.bars(panel.title, panel.scenario, panel.quantity, panel.subjects, panel.log)
		if err != nil {
			return err
		}
		plots = append(plots, p)
	}
	return drawn(plots, path)
}

// drawn writes plots side by side; one that is nil leaves its room.
func drawn(plots []*plot.Plot, path string) error {
	canvas := vgsvg.New(24*vg.Centimeter, 9*vg.Centimeter)
	whole := draw.New(canvas)
	width := (whole.Max.X - whole.Min.X) / vg.Length(len(plots))
	for i, p := range plots {
		if p != nil {
			left := vg.Length(i) * width
			p.Draw(draw.Crop(whole, left+vg.Points(8), left-vg.Length(len(plots)-1)*width-vg.Points(8), vg.Points(8), -vg.Points(8)))
		}
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(file); err != nil {
		_ = file.Close()
		return fmt.Errorf("write the chart: %w", err)
	}
	return file.Close()
}

// fonts has every plot written in one font, which the library keeps in variables.
var fonts = sync.OnceFunc(func() {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	plotter.DefaultFont = plot.DefaultFont
})

// newPlot is an empty one with a title.
func newPlot(title string) *plot.Plot {
	fonts()
	p := plot.New()
	p.Title.Text = title
	p.Title.TextStyle.Font.Size = vg.Points(12)
	return p
}

// bars draws the subjects that were measured; none: no plot.
func (r *results) bars(title, scenario, quantity string, subjects []string, logarithmic bool) (*plot.Plot, error) {
	p := newPlot(title)
	var names []string
	var labels plotter.XYLabels
	top, foot := 0.0, 0.0
	if logarithmic {
		foot = 0.1
	}
	for _, subject := range subjects {
		v, ok := r.value(scenario, subject, quantity)
		if !ok || v <= 0 {
			continue
		}
		// Not plotter.BarChart: its bars stand on 0, which a logarithm has not.
		x := float64(len(names))
		bar, err := plotter.NewPolygon(plotter.XYs{{X: x - 0.32, Y: foot}, {X: x - 0.32, Y: v}, {X: x + 0.32, Y: v}, {X: x + 0.32, Y: foot}})
		if err != nil {
			return nil, fmt.Errorf("draw %s: %w", subject, err)
		}
		bar.Width, bar.Color = 0, grey
		if subject == ours {
			bar.Color = green
		}
		p.Add(bar)
		labels.XYs = append(labels.XYs, plotter.XY{X: x, Y: v})
		labels.Labels = append(labels.Labels, format(v))
		names = append(names, subject)
		top = max(top, v)
	}
	if len(names) == 0 {
		return nil, nil
	}
	text, err := plotter.NewLabels(labels)
	if err != nil {
		return nil, fmt.Errorf("draw the figures: %w", err)
	}
	for i := range text.TextStyle {
		text.TextStyle[i].XAlign = draw.XCenter
	}
	text.Offset.Y = vg.Points(3)
	p.Add(text)
	p.NominalX(names...)
	p.X.Min, p.X.Max = -0.6, float64(len(names))-0.4
	p.Y.Min, p.Y.Max = foot, top*1.12
	if logarithmic {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		p.Y.Max = top * 3
	}
	return p, nil
}

// Command plot draws the results of benchmarks/learning: held-out loss against
// tokens, or against the bytes that one worker sends or receives, for the runs
// that are named, as the mean of their seeds with a bar from the least to the
// largest. Of what lode bench federated reports it draws accuracy by round. The
// ending of the output says in which format.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image/color"
	"math"
	"os"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

// axes are what can stand on the horizontal axis.
var axes = map[string]struct {
	label string
	of    func(point) float64
}{
	"tokens": {"tokens, all workers", func(p point) float64 { return p.Tokens }},
	"up":     {"bytes sent by one worker", func(p point) float64 { return p.Up }},
	"both":   {"bytes sent and received by one worker", func(p point) float64 { return p.Up + p.Down }},
	rounds:   {"rounds", func(p point) float64 { return float64(p.Steps) }},
}

// rounds is the axis of federated runs, whose accuracy is drawn.
const rounds = "rounds"

func command(args []string) error {
	flags := flag.NewFlagSet("plot", flag.ContinueOnError)
	results := flags.String("results", "results.jsonl", "results of benchmarks/learning")
	runs := flags.String("runs", "", "names of the runs to draw, with ; between")
	axis := flags.String("x", "tokens", "what runs along: tokens, up (bytes), both (bytes up and down), or rounds of federated runs")
	out := flags.String("out", "plot.svg", "file to write: .svg, .png or .pdf")
	title := flags.String("title", "", "title of the plot")
	most := flags.Float64("most", 3, "largest loss shown")
	least := flags.Float64("least", 0, "smallest accuracy shown, in %")
	if err := flags.Parse(args); err != nil {
		return err
	}
	along, ok := axes[*axis]
	if !ok {
		return fmt.Errorf("no axis %q", *axis)
	}
	b, err := os.ReadFile(*results)
	if err != nil {
		return err
	}
	all, err := parse(b)
	if err != nil {
		return fmt.Errorf("%s: %w", *results, err)
	}
	p := plot.New()
	p.Title.Text = *title
	p.X.Label.Text, p.Y.Label.Text = along.label, "held-out loss, nats a byte"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.TickerFunc(ticks)
	p.Y.Tick.Marker = plot.TickerFunc(steps)
	p.Legend.Top, p.Legend.Padding = true, vg.Points(1.5)
	if *axis == rounds {
		p.Y.Label.Text, p.Legend.Top = "held-out accuracy, %", false
		p.X.Scale, p.X.Tick.Marker = plot.LinearScale{}, plot.TickerFunc(steps)
	}
	p.Title.Padding = vg.Points(8)
	p.Add(plotter.NewGrid())
	names := strings.Split(*runs, ";")
	for i, name := range names {
		c, err := curveOf(all, name, along.of)
		if err != nil {
			return err
		}
		if *axis != rounds {
			c = c.below(*most)
		}
		look := styleOf(i)
		if *axis == rounds {
			look = federatedStyle(names, name)
		}
		if err := draws(p, c, look); err != nil {
			return err
		}
	}
	if *axis == rounds {
		p.Y.Min, p.Y.Max = *least, 100
	}
	p.X.Max *= 1.05 // the last points whole
	return p.Save(18*vg.Centimeter, 12*vg.Centimeter, *out)
}

// ticks marks 1, 2 and 5 of each power of ten.
func ticks(least, most float64) (all []plot.Tick) {
	for power := math.Floor(math.Log10(least)); power <= math.Log10(most); power++ {
		for _, x := range []float64{1, 2, 5} {
			if x *= math.Pow(10, power); least <= x && x <= most {
				all = append(all, plot.Tick{Value: x, Label: short(x)})
			}
		}
	}
	return all
}

// steps marks multiples of 1, 2 or 5 times a power of ten, ten at most. The library's
// own labels are rounded to fewer digits than their places have.
func steps(least, most float64) (all []plot.Tick) {
	step := math.Pow(10, math.Floor(math.Log10(most-least))-1)
	for _, times := range []float64{2, 2.5, 2} { // 1, 2, 5, 10
		if (most-least)/step > 10 {
			step *= times
		}
	}
	for i := math.Ceil(least / step); i*step <= most; i++ {
		all = append(all, plot.Tick{Value: i * step, Label: fmt.Sprintf("%.4g", i*step)})
	}
	return all
}

// short writes a round number for people.
func short(x float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, " G"}, {1e6, " M"}, {1e3, " k"}} {
		if x >= unit.size {
			return fmt.Sprintf("%g%s", math.Round(x/unit.size), unit.name)
		}
	}
	return fmt.Sprintf("%g", x)
}

// point is a point of a run, as far as it is drawn.
type point struct {
	Steps   int
	Tokens  float64
	HeldOut float64 `json:"held_out"`
	Up      float64
	Down    float64
}

// result is a run.
type result struct {
	Setting struct{ Name string }
	Points  []point
}

func parse(b []byte) (all []result, err error) {
	num := 0
	for line := range bytes.Lines(b) {
		num++
		var r struct {
			result
			federated
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("line %d: %w", num, err)
		}
		if r.Runs == nil {
			all = append(all, r.result)
		}
		all = append(all, r.results()...)
	}
	return all, nil
}

// curve is a run's loss, the seeds together: x, mean, and how far below and
// above it seeds lie.
type curve struct {
	name string
	plotter.XYs
	plotter.YErrors
}

func curveOf(all []result, name string, along func(point) float64) (curve, error) {
	at := map[int][]point{} // by steps
	for _, r := range all {
		if r.Setting.Name == name {
			for _, p := range r.Points {
				at[p.Steps] = append(at[p.Steps], p)
			}
		}
	}
	if len(at) == 0 {
		return curve{}, fmt.Errorf("no run is named %q", name)
	}
	c := curve{name: name}
	for _, points := range at {
		x, mean, least, most := 0.0, 0.0, math.Inf(1), math.Inf(-1)
		for _, p := range points {
			x += along(p) / float64(len(points))
			mean += p.HeldOut / float64(len(points))
			least, most = min(least, p.HeldOut), max(most, p.HeldOut)
		}
		if !(x > 0) || math.IsInf(x, 0) || math.IsNaN(mean) || math.IsInf(mean, 0) {
			return curve{}, fmt.Errorf("run %q: loss %v at %v cannot be drawn", name, mean, x)
		}
		c.XYs = append(c.XYs, plotter.XY{X: x, Y: mean})
		c.YErrors = append(c.YErrors, struct{ Low, High float64 }{mean - least, most - mean})
	}
	return c, c.sort()
}

// sort puts points in order of x.
func (c *curve) sort() error {
	order := make([]int, len(c.XYs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(c.XYs[i].X, c.XYs[j].X) })
	xys, bars := make(plotter.XYs, len(order)), make(plotter.YErrors, len(order))
	for to, from := range order {
		xys[to], bars[to] = c.XYs[from], c.YErrors[from]
	}
	c.XYs, c.YErrors = xys, bars
	for i := 1; i < len(xys); i++ {
		if xys[i].X == xys[i-1].X {
			return errors.New("two points of run " + c.name + " have the same place")
		}
	}
	return nil
}

// below leaves out the beginning, where the loss is above most.
func (c curve) below(most float64) curve {
	first := 0
	for first < len(c.XYs)-1 && c.XYs[first].Y > most {
		first++
	}
	c.XYs, c.YErrors = c.XYs[first:], c.YErrors[first:]
	return c
}

// colours tell lines apart for all kinds of eyes (Okabe and Ito 2008).
var colours = []color.RGBA{
	{0, 0, 0, 255},
	{0, 114, 178, 255},
	{213, 94, 0, 255},
	{0, 158, 115, 255},
	{204, 121, 167, 255},
	{230, 159, 0, 255},
	{86, 180, 233, 255},
}

// style is how a line looks.
type style struct {
	colour color.RGBA
	dashes []vg.Length
}

// styleOf returns the style of the i-th line of many.
func styleOf(i int) style {
	s := style{colour: colours[i%len(colours)]}
	if i >= len(colours) {
		s.dashes = []vg.Length{vg.Points(4), vg.Points(2)}
	}
	return s
}

func draws(p *plot.Plot, c curve, s style) error {
	line, dots, err := plotter.NewLinePoints(c.XYs)
	if err != nil {
		return err
	}
	bars, err := plotter.NewYErrorBars(c)
	if err != nil {
		return err
	}
	line.Color, line.Width, line.Dashes = s.colour, vg.Points(1.2), s.dashes
	dots.Color, dots.Radius, dots.Shape = line.Color, vg.Points(2), draw.CircleGlyph{}
	bars.Color = line.Color
	p.Add(line, dots, bars)
	p.Legend.Add(c.name, line, dots)
	return nil
}

package chart

// This file holds the figure and its layout.

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"math"
	"strconv"
)

// Figure is a grid of panels. Every panel has a series for each of Lines; all panels
// share the axes, which start at zero.
type Figure struct {
	Title, Note string
	X, Y        string // what runs along and up
	Lines       []string
	Columns     []string // headings
	Rows        []Row
	// Level is drawn as a thin line of its own; Top is the largest value shown,
	// beyond which series are cut off.
	Level, Top float64
}

// Row is one line of panels, Panels[column][line][x]. Detail stands below its title.
type Row struct {
	Title, Detail string
	Panels        [][][]float64
}

// Lengths in pixels.
const (
	margin   = 16
	nameWide = 218 // row titles
	panelW   = 210
	panelH   = 92
	gap      = 22
	headH    = 118 // title, note, legend, column headings
	footH    = 46
	numTicks = 3
)

// colours tell lines apart for most kinds of colour blindness (Okabe and Ito).
var colours = []string{"#0072B2", "#E69F00", "#CC0066", "#009E73", "#56B4E9", "#000000"}

// dashes let a line be seen where another lies below it.
var dashes = []string{"", "7 4", "2 3", "9 3 2 3", "1 2", "4 2"}

// Write draws the figure.
func (f Figure) Write(w io.Writer) error {
	d := drawing{bufio.NewWriter(w)}
	wide := margin*2 + nameWide + len(f.Columns)*(panelW+gap)
	high := headH + len(f.Rows)*(panelH+gap) + footH
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="12" fill="#222">`+"\n", wide, high, wide, high)
	d.printf("<title>%s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n", html.EscapeString(f.Title))
	d.text(margin, 28, "start", `font-size="17" font-weight="600"`, f.Title)
	d.text(margin, 48, "start", `fill="#555"`, f.Note)
	f.legend(d)
	for j, name := range f.Columns {
		x, _ := origin(0, j)
		d.text(x, headH-10, "start", `font-weight="600"`, name)
	}
	for i, row := range f.Rows {
		_, y := origin(i, 0)
		d.text(margin, y+panelH/2-6, "start", `font-weight="600"`, row.Title)
		d.text(margin, y+panelH/2+10, "start", `font-size="11" fill="#555"`, row.Detail)
		for j, panel := range row.Panels {
			f.panel(d, i, j, panel)
		}
	}
	x, y := origin(len(f.Rows), 0)
	d.text(x, y+14, "start", `fill="#555"`, f.X+" →")
	d.text(margin, headH-10, "start", `fill="#555"`, f.Y+" ↑")
	d.printf("</svg>\n")
	return d.w.Flush()
}

// origin returns the upper left corner of a panel.
func origin(row, column int) (x, y int) {
	return margin + nameWide + column*(panelW+gap), headH + row*(panelH+gap)
}

func (f Figure) legend(d drawing) {
	x := margin
	for k, name := range f.Lines {
		d.printf(`<path d="M%d 68h34" fill="none" %s/>`+"\n", x, stroke(k))
		d.text(x+40, 72, "start", "", name)
		x += 70 + 7*len([]rune(name))
	}
}

func stroke(k int) string {
	return fmt.Sprintf(`stroke="%s" stroke-width="2.2" stroke-dasharray="%s"`, colours[k%len(colours)], dashes[k%len(dashes)])
}

// panel draws frame, ticks and lines of one panel.
func (f Figure) panel(d drawing, row, column int, lines [][]float64) {
	x0, y0 := origin(row, column)
	up := func(v float64) float64 {
		return float64(y0) + panelH*(1-max(0, min(v, f.Top))/f.Top)
	}
	d.printf(`<rect x="%d" y="%d" width="%d" height="%d" fill="#fafafa" stroke="#ccc"/>`+"\n", x0, y0, panelW, panelH)
	for k := range numTicks + 1 {
		v := f.Top * float64(k) / numTicks
		d.printf(`<path d="M%d %.1fh%d" stroke="#e4e4e4"/>`+"\n", x0, up(v), panelW)
		if column == 0 {
			d.text(x0-5, int(up(v))+4, "end", `font-size="10" fill="#555"`, strconv.FormatFloat(v, 'g', 3, 64))
		}
	}
	d.printf(`<path d="M%d %.1fh%d" stroke="#888" stroke-dasharray="1 3"/>`+"\n", x0, up(f.Level), panelW)
	last := 0
	for k, line := range lines {
		d.printf(`<path fill="none" stroke-linejoin="round" %s d="`, stroke(k))
		for i, v := range line {
			d.printf("%c%.1f %.1f", "ML"[min(i, 1)], along(x0, i, len(line)), up(v))
		}
		d.printf("\"/>\n")
		last = max(last, len(line)-1)
	}
	if row == len(f.Rows)-1 {
		d.text(x0, y0+panelH+13, "middle", `font-size="10" fill="#555"`, "0")
		d.text(x0+panelW, y0+panelH+13, "middle", `font-size="10" fill="#555"`, strconv.Itoa(last))
	}
}

// along returns where the i-th of n points lies.
func along(x0, i, n int) float64 {
	return float64(x0) + panelW*float64(i)/float64(max(n-1, 1))
}

// Ceiling returns a round number that is at least the largest of the values, and at
// most limit: what [Figure] may have for Top.
func Ceiling(limit float64, values ...float64) float64 {
	top := 0.0
	for _, v := range values {
		top = max(top, v)
	}
	unit := math.Pow(10, math.Floor(math.Log10(max(top, 1e-9))))
	for _, step := range []float64{1, 1.2, 1.5, 1.8, 2.4, 3, 4.5, 6, 9, 10} {
		if step*unit >= top {
			return min(limit, step*unit)
		}
	}
	return limit
}

// drawing writes to a buffer that keeps the first error.
type drawing struct{ w *bufio.Writer }

func (d drawing) printf(format string, args ...any) { fmt.Fprintf(d.w, format, args...) }

// text writes s at a place; style is further attributes.
func (d drawing) text(x, y int, anchor, style, s string) {
	d.printf(`<text x="%d" y="%d" text-anchor="%s" %s>%s</text>`+"\n", x, y, anchor, style, html.EscapeString(s))
}

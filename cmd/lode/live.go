package main

// This file holds what is printed while something goes on: lines, and a bar below
// them on a terminal.

import (
	"fmt"
	"io"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// live is where that is shown.
type live struct {
	w    io.Writer
	bars *mpb.Progress // nil where there is no terminal, and while there is no bar
	bar  *mpb.Bar
}

func (l *live) printf(format string, args ...any) {
	to := l.w
	if l.bars != nil {
		to = l.bars
	}
	fmt.Fprintf(to, format, args...)
}

// start shows a bar where there is a terminal.
func (l *live) start(name string, total int64) {
	if !isTerminal(l.w) {
		return
	}
	l.bars = mpb.New(mpb.WithOutput(l.w), mpb.WithWidth(40))
	l.bar = l.bars.AddBar(total, mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(name+" ")), mpb.AppendDecorators(decor.Percentage()))
}

// at moves the bar, if there is one.
func (l *live) at(n int64) {
	if l.bar != nil {
		l.bar.SetCurrent(n)
	}
}

// step moves it by one.
func (l *live) step() {
	if l.bar != nil {
		l.bar.Increment()
	}
}

// stop takes the bar down, if there is one.
func (l *live) stop() {
	if l.bar != nil {
		l.bar.Abort(true)
		l.bars.Wait()
		l.bar, l.bars = nil, nil
	}
}

package transport

// This file holds the rule that a transfer which moves is kept and one which
// stalls is cut.

import (
	"errors"
	"io"
	"os"
	"time"

	"lode/protocol"
)

// pace measures one direction of one stream. Only time spent waiting for the
// other side counts, so a slow disk on this side is not held against it. Whenever
// window has been spent waiting, at least rate × window bytes must have moved.
type pace struct {
	rate   int64         // bytes per second; negative is no limit
	window time.Duration // of waiting
	end    time.Time     // hard cap; zero is none

	deadline func(time.Time) error // sets the stream's deadline
	armed    bool                  // a deadline of this window is set
	waited   time.Duration         // in this window
	moved    int64                 // bytes in this window
}

func (o Options) pace(deadline func(time.Time) error) pace {
	return pace{rate: o.MinRate, window: o.StallWindow, deadline: deadline}
}

// do runs one read or write of the stream until it has moved something, failed,
// or proved to be stalled.
func (p *pace) do(step func() (int, error)) (int, error) {
	for {
		if err := p.arm(); err != nil {
			return 0, err
		}
		start := time.Now()
		n, err := step()
		now := time.Now()
		p.waited += now.Sub(start)
		p.moved += int64(n)
		late := errors.Is(err, os.ErrDeadlineExceeded)
		if late {
			p.armed = false
		}
		if cut := p.judge(now); cut != nil && err != io.EOF {
			return n, cut
		}
		if late {
			err = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (p *pace) arm() error {
	if p.armed || p.rate < 0 && p.end.IsZero() {
		return nil
	}
	p.armed = true
	at := time.Now().Add(p.window - p.waited)
	if p.rate < 0 || !p.end.IsZero() && p.end.Before(at) {
		at = p.end
	}
	return p.deadline(at)
}

// judge ends a window and returns the refusal of a transfer that must be cut.
func (p *pace) judge(now time.Time) error {
	if !p.end.IsZero() && !now.Before(p.end) {
		return protocol.Refuse(protocol.Unavailable, "the transfer took longer than it may")
	}
	if p.waited < p.window || p.rate < 0 {
		return nil
	}
	moved, waited := p.moved, p.waited
	p.moved, p.waited, p.armed = 0, 0, false
	if need := int64(float64(p.rate) * waited.Seconds()); moved < need {
		return protocol.Refuse(protocol.Unavailable, "the transfer stalled: %d bytes in %v, at least %d are asked for",
			moved, waited.Round(time.Millisecond), need)
	}
	return nil
}

type deadlineReader interface {
	Read([]byte) (int, error)
	SetReadDeadline(time.Time) error
}

type deadlineWriter interface {
	Write([]byte) (int, error)
	SetWriteDeadline(time.Time) error
}

// pacedReader reads a stream at a pace.
type pacedReader struct {
	from deadlineReader
	pace pace
}

// reader returns a reader of r that is cut when it stalls.
func (o Options) reader(r deadlineReader) *pacedReader {
	return &pacedReader{r, o.pace(r.SetReadDeadline)}
}

func (r *pacedReader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	return r.pace.do(func() (int, error) { return r.from.Read(b) })
}

// pacedWriter writes a stream at a pace.
type pacedWriter struct {
	to   deadlineWriter
	pace pace
}

// writer returns a writer to w that is cut when the other side stops taking.
func (o Options) writer(w deadlineWriter) *pacedWriter {
	return &pacedWriter{w, o.pace(w.SetWriteDeadline)}
}

func (w *pacedWriter) Write(b []byte) (done int, err error) {
	for done < len(b) {
		n, err := w.pace.do(func() (int, error) { return w.to.Write(b[done:]) })
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

package transport

// This file tests the pace in virtual time.

import (
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"lode/protocol"
)

// slowly is a stream that moves step bytes after each wait, total in all, and
// keeps deadlines as QUIC streams do.
type slowly struct {
	wait     time.Duration
	step     int
	total    int
	deadline time.Time
	next     time.Time // when the step on its way arrives
}

func (s *slowly) Read(b []byte) (int, error)         { return s.move(b) }
func (s *slowly) Write(b []byte) (int, error)        { return s.move(b) }
func (s *slowly) SetReadDeadline(t time.Time) error  { s.deadline = t; return nil }
func (s *slowly) SetWriteDeadline(t time.Time) error { s.deadline = t; return nil }

func (s *slowly) move(b []byte) (int, error) {
	if s.total == 0 {
		return 0, io.EOF
	}
	if s.next.IsZero() {
		s.next = time.Now().Add(s.wait)
	}
	if !s.deadline.IsZero() && s.deadline.Before(s.next) {
		time.Sleep(time.Until(s.deadline))
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(time.Until(s.next))
	s.next = time.Time{}
	n := min(len(b), s.step, s.total)
	s.total -= n
	return n, nil
}

func TestPace(t *testing.T) {
	tests := []struct {
		name  string
		wait  time.Duration
		step  int
		total int
		rate  int64
		end   time.Duration // hard cap, 0 is none
		work  time.Duration // spent by this side between two steps
		kept  bool
		cutAt time.Duration
	}{
		{"fast", time.Millisecond, 1000, 1 << 20, 1024, 0, 0, true, 0},
		{"just fast enough", 5 * time.Second, 5120, 1 << 20, 1024, 0, 0, true, 0},
		{"just too slow", 5 * time.Second, 5119, 1 << 20, 1024, 0, 0, false, 10 * time.Second},
		{"nothing", time.Hour, 1, 10, 1024, 0, 0, false, 10 * time.Second},
		{"one burst, then nothing", 11 * time.Second, 20_000, 40_000, 1024, 0, 0, false, 10 * time.Second},
		{"own work does not count", time.Second, 2000, 1 << 17, 1024, 0, time.Minute, true, 0},
		{"hard cap", time.Second, 2000, 1 << 20, 1024, 25 * time.Second, 0, false, 25 * time.Second},
		{"hard cap without a rate", time.Hour, 1, 10, -1, 25 * time.Second, 0, false, 25 * time.Second},
		{"no limit", time.Hour, 1, 10, -1, 0, 0, true, 0},
		{"small and late", 9 * time.Second, 10, 10, 1024, 0, 0, true, 0},
	}
	for _, test := range tests {
		for _, way := range []string{"read", "write"} {
			t.Run(test.name+"/"+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &slowly{wait: test.wait, step: test.step, total: test.total}
					o := Options{MinRate: test.rate}.orDefault()
					began := time.Now()
					n, err := moveAll(o, s, way, test.end, test.work)
					if test.kept && (err != nil || n != test.total) {
						t.Fatalf("moved %d of %d bytes: %v", n, test.total, err)
					}
					if test.kept {
						return
					}
					wantReason(t, err, protocol.Unavailable)
					if at := time.Since(began); at < test.cutAt || at > test.cutAt+time.Millisecond {
						t.Fatalf("cut after %v, want %v", at, test.cutAt)
					}
				})
			})
		}
	}
}

func moveAll(o Options, s *slowly, way string, end, work time.Duration) (n int, err error) {
	r, w := o.reader(s), o.writer(s)
	if end > 0 {
		r.pace.end = time.Now().Add(end)
		w.pace.end = r.pace.end
	}
	buf := make([]byte, 8*5120) // whole steps of the case at the limit
	for total := s.total; n < total && err == nil; time.Sleep(work) {
		var m int
		if way == "read" {
			m, err = r.Read(buf)
		} else {
			m, err = w.Write(buf[:min(len(buf), total-n)])
		}
		n += m
	}
	return n, err
}

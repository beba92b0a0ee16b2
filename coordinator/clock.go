package coordinator

// This file holds the time of the record.

import (
	"time"

	"lode/protocol"
)

// watch tells instants that never run back, and never slower than the machine's
// monotonic clock: if the wall clock is set back, deadlines still come when they
// should.
type watch struct {
	read time.Time // when it was looked at last
	at   protocol.Instant
}

// startWatch returns a watch that shows no less than the record's last instant.
func startWatch(last protocol.Instant) watch {
	now := time.Now()
	return watch{read: now, at: max(last, wall(now))}
}

func wall(t time.Time) protocol.Instant { return protocol.Instant(t.UnixNano()) }

func (w *watch) now() protocol.Instant {
	now := time.Now()
	w.at = max(wall(now), w.at.Add(protocol.Span(max(0, now.Sub(w.read)))))
	w.read = now
	return w.at
}

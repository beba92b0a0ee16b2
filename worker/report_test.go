package worker

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"lode/coordinator/round"
)

// Replaying many rounds is one line of the log, unless all is asked for.
func TestReportAll(t *testing.T) {
	for _, c := range []struct {
		level         zerolog.Level
		rounds, lines int
	}{
		{zerolog.InfoLevel, maxReported, maxReported},
		{zerolog.InfoLevel, maxReported + 1, 1},
		{zerolog.DebugLevel, maxReported + 1, maxReported + 2},
	} {
		var log bytes.Buffer
		w := &Worker{cfg: Config{Log: zerolog.New(&log).Level(c.level)}}
		w.reportAll(make([]round.Summary, c.rounds))
		if n := strings.Count(log.String(), "\n"); n != c.lines {
			t.Errorf("%v, %d rounds: %d lines, want %d\n%s", c.level, c.rounds, n, c.lines, log.String())
		}
	}
}

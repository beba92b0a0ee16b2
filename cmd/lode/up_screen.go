package main

// This file prints a run as it goes: lines, and a progress bar on a terminal.

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"lode/protocol"
)

// screen is where a run is shown. Its methods may be called at the same time.
type screen struct {
	json bool

	mu   sync.Mutex
	live live
	cpu  time.Duration // of all processes, once they ended
	used []processUse
}

func newScreen(w io.Writer, asJSON bool) *screen {
	return &screen{live: live{w: w}, json: asJSON}
}

func (s *screen) printf(format string, args ...any) {
	if !s.json {
		s.live.printf(format, args...)
	}
}

func (s *screen) object(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("lode: " + err.Error())
	}
	fmt.Fprintf(s.live.w, "%s\n", b)
}

// begin says what is about to happen.
func (s *screen) begin(h *house, memory string) {
	m := h.manifest
	verb := "training"
	if h.state.Rounds > 0 {
		verb = fmt.Sprintf("going on after %d rounds: training", h.state.Rounds)
	}
	until := fmt.Sprintf("for %v", h.state.Left.Round(time.Second))
	if h.state.Until > 0 {
		until = fmt.Sprintf("up to %d rounds", h.state.Until)
	}
	kind := "byte-level " + h.rules.Model.Family()
	switch m.Data.Tokenizer {
	case protocol.TokenFile:
		kind = fmt.Sprintf("%s of %d tokens and", h.rules.Model.Family(), h.corpus.Tokenizer.Size())
	case protocol.TokenRecords:
		kind = h.rules.Model.Family()
	}
	s.printf("run %s in %s: %s a %s of %.2f M parameters on %s (%.1f MB) %s\n",
		h.rules.Run.Short(), h.flags.dir, verb, kind, float64(h.rules.Layout.Len())/1e6, h.corpus.Name, float64(m.Data.Bytes)/1e6, until)
	s.printf("1 coordinator, %d validators and %d workers, each a process, over QUIC on loopback; logs in %s/logs; Ctrl-C stops\n",
		len(h.state.Cast.Validators), len(h.state.Cast.Workers), h.flags.dir)
	s.printf("%s\n", memory)
	if m.Data.Mode == protocol.DataPrivate {
		s.printf("each worker trains on data of its own, which nobody else sees; validators measure on %s\n", h.corpus.Name)
	}
	header := fmt.Sprintf(roundHeader, bitsHeads[h.unit()], m.Data.Counted()+"/s")
	if m.Economy.Pays() {
		header += " paid"
	} else {
		s.printf("a run of volunteers: stakes weigh the validators' votes, nobody is paid\n")
	}
	s.printf("%s\n", header)
	if s.json {
		return
	}
	total := int64(h.state.Left)
	if h.state.Until > 0 {
		total = int64(h.state.Until - h.state.Rounds)
	}
	s.live.start("training", total)
}

const roundHeader = "round  train   val  %6s  merged      sent  dense/sent  received %10s  best"

// bitsHeads are the heads of the column of bits, by what a loss is per.
var bitsHeads = map[string]string{"byte": "bits/B", "record": "bits"}

// round prints one round.
func (s *screen) round(l roundLine, st upState, passed time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.json {
		s.object(l)
		return
	}
	s.printf("%5d  %5.3f %5.3f  %6.3f   %2d/%-2d  %8s      %4.0f×  %8s  %9.0f  %s\n",
		l.Round, l.TrainLoss, l.ValLoss, l.Bits, l.Accepted, l.Workers, bytesText(l.UpBytes),
		float64(l.DenseBytes)/max(float64(l.UpBytes), 1), bytesText(l.DownBytes), l.Rate, l.Best)
	if st.Until > 0 {
		s.live.step()
	} else {
		s.live.at(int64(passed))
	}
}

// note prints something out of the ordinary.
func (s *screen) note(stderr io.Writer, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live.bars != nil {
		stderr = s.live.bars
	}
	fmt.Fprintf(stderr, "lode: %s\n", text)
}

// stopping takes the bar down.
func (s *screen) stopping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live.stop()
	s.printf("stopping…\n")
}

func bytesText(n uint64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d B", n)
	case n < 10_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 10_000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

package main

// This file prints a training: as it goes, and what came of it.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"

	"lode/engine/model"
	"lode/sim/solo"
)

// trainScreen is where a training is shown.
type trainScreen struct {
	session *session

	mu sync.Mutex
	live
}

func (s *trainScreen) printf(format string, args ...any) {
	if s.session.json {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live.printf(format, args...)
}

// begin says what is about to happen.
func (s *trainScreen) begin() {
	w := s.session
	t := w.rules.Manifest.Train
	steps := w.job.Rounds * int(t.InnerSteps)
	s.printf("training a model of %.2f M parameters on %s (%.1f MB) in %s\n",
		float64(w.rules.Layout.Len())/1e6, w.corpus.Name, float64(w.corpus.Index.Bytes)/1e6, w.dir)
	s.printf("%s of %d × %d rows of %d tokens: %s tokens; Ctrl-C ends after the round in progress\n",
		plural(steps, "step"), w.job.Workers, t.Rows, t.Steps, countText(float64(steps)*float64(w.job.Workers)*float64(t.Rows)*float64(t.Steps)))
}

const pointHeader = "   step    tokens    loss  held out      rate  gradient  tokens/s"

// way says which way begins, and where.
func (s *trainScreen) way(way string, rounds int) {
	what := "one large batch of each step"
	if way == federatedWay {
		what = fmt.Sprintf("workers apart, a merge every %d steps, updates by %s", s.session.rules.Manifest.Train.InnerSteps, s.session.rules.Manifest.Update.Codec)
	}
	from := ""
	if rounds > 0 {
		from = fmt.Sprintf(", from step %d on", rounds*int(s.session.rules.Manifest.Train.InnerSteps))
	}
	s.printf("%s: %s%s\n%s\n", way, what, from, pointHeader)
	if s.session.json {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start(way, int64(s.session.job.Rounds))
	s.at(int64(rounds))
}

// done takes the bar down.
func (s *trainScreen) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
}

// stopping says that Ctrl-C was seen.
func (s *trainScreen) stopping() { s.printf("stopping after the round in progress…\n") }

// planned says how much memory the way takes.
func (s *trainScreen) planned(how thrift) { s.printf("%v\n", how) }

// passed moves the bar.
func (s *trainScreen) passed(rounds int) { s.at(int64(rounds)) }

// point prints a point of the curve.
func (s *trainScreen) point(p solo.Point) {
	s.printf("%7d  %8s  %6.4f    %6.4f  %8.2e  %8.3f  %8.0f\n", p.Steps, countText(float64(p.Tokens)), p.Loss, p.HeldOut, p.Rate, p.GradNorm, p.Speed)
}

// end prints what came of all ways.
func (s *trainScreen) end(all []trained) error {
	if s.session.json {
		return json.NewEncoder(s.session.out).Encode(struct {
			Event      string    `json:"event"`
			Parameters int       `json:"parameters"`
			Ways       []trained `json:"ways"`
		}{"summary", s.session.rules.Layout.Len(), all})
	}
	if len(all) > 1 {
		s.compare(all[0], all[1])
	}
	for _, one := range all {
		if !one.Whole {
			s.printf("stopped after %d of %d rounds; go on: lode train --resume -o %s\n", one.Rounds, s.session.job.Rounds, s.session.dir)
			continue
		}
		s.printf("%s: held-out loss %.4f nats after %s tokens, %.0f s; model and curve in %s\n", one.Way, one.HeldOut, countText(float64(one.Tokens)), one.Seconds, one.Folder)
	}
	if last := all[len(all)-1]; last.Whole && s.session.rules.Model.Family() == (model.Llama{}).Family() {
		s.printf("write with it: lode generate --model %s\n", last.Folder)
	}
	return nil
}

// compare prints both curves where both have a point.
func (s *trainScreen) compare(local, federated trained) {
	of := map[int]solo.Point{}
	for _, p := range local.curve {
		of[p.Rounds] = p
	}
	s.printf("\nheld-out loss, nats\n%8s  %8s  %9s  %10s  %16s\n", "tokens", "local", "federated", "difference", "sent by a worker")
	for _, p := range federated.curve {
		if l, ok := of[p.Rounds]; ok {
			s.printf("%8s  %8.4f  %9.4f  %+10.4f  %16s\n", countText(float64(p.Tokens)), l.HeldOut, p.HeldOut, p.HeldOut-l.HeldOut, bytesText(uint64(p.Up)))
		}
	}
	if p := federated.Point; p.Up > 0 {
		dense := 4 * float64(s.session.rules.Layout.Len()) * float64(p.Steps)
		s.printf("gradients of every step in float32 would be %s from each worker: %.0f times as much\n", bytesText(uint64(dense)), dense/p.Up)
	}
	s.printf("both curves: %s\n\n", filepath.Join(s.session.dir, curvesName))
}

// writeCurves writes a curve a line, as tools/plot draws them.
func (s *session) writeCurves(all []trained) error {
	var b bytes.Buffer
	for _, one := range all {
		var line struct {
			Setting struct {
				Name string `json:"name"`
			} `json:"setting"`
			Points []solo.Point `json:"points"`
		}
		line.Setting.Name, line.Points = one.Way, one.curve
		if err := json.NewEncoder(&b).Encode(line); err != nil {
			return err
		}
	}
	return writeFile(filepath.Join(s.dir, curvesName), b.Bytes())
}

// countText writes a number of tokens.
func countText(n float64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%.0f", n)
	case n < 1e6:
		return fmt.Sprintf("%.1f k", n/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.2f M", n/1e6)
	}
	return fmt.Sprintf("%.2f G", n/1e9)
}

package main

// This file holds the gate: the validators' part, by the rules that decide real
// rounds.

import (
	"lode/gradient"
	"lode/protocol"
	"lode/tensor"
	"lode/validator/score"
)

// refuse is the norm above which updates are refused, in references.
const refuse = 4

// gate is what is asked of updates; the zero gate lets all pass. There are no audits
// and no proof of work.
type gate struct {
	norms  bool // too long ones are refused, the rest clipped to the median
	scores bool // dot products with the validators' gradient are asked for
	limits protocol.Score
}

// normed asks for norms alone, as who has no data can.
func normed() gate { return gate{norms: true, limits: protocol.Score{WorkMin: 1}} }

// scored asks for norms, and for a dot product above so much of the median of those
// recently merged.
func scored(threshold float64) gate {
	g := normed()
	g.scores, g.limits.Threshold = true, protocol.Q16(threshold)
	return g
}

// judge returns the factor with which each update is merged, 0 if it is not, and
// books it. grad is the validators' gradient, where scores are asked for.
func (g gate) judge(b *score.Board, all []*gradient.Update, grad tensor.Flat) ([]gradient.Clip, error) {
	merged := make([]gradient.Clip, len(all))
	if !g.norms {
		for w := range merged {
			merged[w] = gradient.Unclipped
		}
		return merged, nil
	}
	candidates, clips := candidatesOf(b, all)
	sheet := score.Sheet{Stake: 1}
	for i, c := range candidates {
		row := protocol.Row{First: 1} // all the same
		if g.scores {
			dot, err := gradient.Dot(all[workerOf(c)], grad)
			if err != nil {
				return nil, err
			}
			row.First, _ = protocol.ToNanoNats(dot * float64(clips[i]) / float64(gradient.Unclipped))
		}
		sheet.Rows = append(sheet.Rows, row)
	}
	sheets := []score.Sheet{sheet}
	verdicts := b.Decide(g.limits, candidates, clips, sheets)
	b.Apply(verdicts, sheets, nil)
	for i, v := range verdicts {
		merged[workerOf(candidates[i])] = v.Clip
	}
	return merged, nil
}

// candidatesOf returns the updates whose norms are not refused, with their factors.
func candidatesOf(b *score.Board, all []*gradient.Update) (candidates []score.Candidate, clips []gradient.Clip) {
	every := make([]score.Candidate, len(all))
	for w, u := range all {
		every[w] = score.Candidate{Worker: protocol.NodeID{byte(w)}, Norm: u.NormSquared()}
	}
	reference := b.Reference(every)
	for _, c := range every {
		if clip, reason := score.Clip(c.Norm, reference, refuse); reason == protocol.OK {
			candidates, clips = append(candidates, c), append(clips, clip)
		}
	}
	return candidates, clips
}

// workerOf returns which worker a candidate is of.
func workerOf(c score.Candidate) int { return int(c.Worker[0]) }

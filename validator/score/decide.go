package score

// This file holds the decision: from revealed sheets to verdicts.

import (
	"math/bits"

	"lode/gradient"
	"lode/protocol"
)

// Candidate is an update that a quorum attested: who sent it and its exact norm.
type Candidate struct {
	Worker protocol.NodeID
	Norm   gradient.Norm
}

// Sheet is a revealed sheet with the stake behind it.
type Sheet struct {
	Validator protocol.NodeID
	Stake     uint64
	Rows      []protocol.Row // one per candidate
}

// Verdict says what becomes of one candidate.
type Verdict struct {
	_      struct{} `cbor:",toarray"`
	Worker protocol.NodeID
	Reason protocol.Reason   // OK: merged
	Norm   gradient.Norm     // squared, before clipping
	Clip   gradient.Clip     // what the update enters the merge with; 0 if refused
	Score  protocol.NanoNats // of the clipped update; 0 if never scored
}

// Clip returns the factor by which a norm is brought down to the reference, and
// [protocol.TooStrong] if the norm is above refuse times the reference. A
// reference of 0 clips nothing.
func Clip(norm, reference gradient.Norm, refuse uint32) (gradient.Clip, protocol.Reason) {
	switch {
	case reference == gradient.Norm{}:
		return gradient.Unclipped, protocol.OK
	case norm.Exceeds(reference, uint16(refuse)):
		return 0, protocol.TooStrong
	}
	return norm.ClipTo(reference), protocol.OK
}

// Decide gives one verdict per candidate from the sheets, in order. clips are the
// candidates' clip factors. It changes nothing; [Board.Apply] does.
func (b *Board) Decide(p protocol.Score, candidates []Candidate, clips []gradient.Clip, sheets []Sheet) []Verdict {
	verdicts := make([]Verdict, len(candidates))
	floor := scaled(lowerMedian(b.Scores), p.Threshold)
	for i, c := range candidates {
		v := Verdict{Worker: c.Worker, Norm: c.Norm, Score: medianOf(sheets, i, firstOrder)}
		v.Reason = b.judge(p, c.Worker, i, v.Score, floor, sheets)
		if v.Reason == protocol.OK {
			v.Clip = clips[i]
		}
		verdicts[i] = v
	}
	return verdicts
}

func (b *Board) judge(p protocol.Score, w protocol.NodeID, i int, s, floor protocol.NanoNats, sheets []Sheet) protocol.Reason {
	if over := medianOf(sheets, i, func(r protocol.Row) (uint32, bool) { return r.Overlap, true }); over > p.Overlap {
		return protocol.NotNovel
	}
	paired, audited := measured(sheets, i, func(r protocol.Row) (protocol.NanoNats, bool) { return r.Paired, r.Audited })
	if s <= max(floor, 0) || audited && paired <= 0 {
		return protocol.NoImprovement
	}
	if !b.worked(p, w, b.examination(sheets, i)) {
		return protocol.NoWork
	}
	return protocol.OK
}

func firstOrder(r protocol.Row) (protocol.NanoNats, bool) { return r.First, true }

// workOf returns the median proof of work; found is false if there was none.
func workOf(sheets []Sheet, i int) (work protocol.NanoNats, found bool) {
	return measured(sheets, i, func(r protocol.Row) (protocol.NanoNats, bool) { return r.Work, r.Examined })
}

func medianOf[T protocol.NanoNats | uint32](sheets []Sheet, i int, get func(protocol.Row) (T, bool)) T {
	return Median(opinions(sheets, i, get))
}

// measured returns the median of what only a sample of candidates is measured
// for; ok is false if sheets with half of their stake did not. All validators
// draw the same sample, so those that are fewer speak out of turn: one alone could
// refuse whom it likes.
func measured(sheets []Sheet, i int, get func(protocol.Row) (protocol.NanoNats, bool)) (m protocol.NanoNats, ok bool) {
	os := opinions(sheets, i, get)
	var have, total uint64
	for _, o := range os {
		have += o.Stake
	}
	for _, s := range sheets {
		total += s.Stake
	}
	return Median(os), len(os) > 0 && have >= total-have
}

func opinions[T protocol.NanoNats | uint32](sheets []Sheet, i int, get func(protocol.Row) (T, bool)) []Opinion[T] {
	var os []Opinion[T]
	for _, s := range sheets {
		if v, ok := get(s.Rows[i]); ok {
			os = append(os, Opinion[T]{v, s.Stake})
		}
	}
	return os
}

// scaled returns x times a Q16 factor, rounded down; x ≥ 0 is bounded by
// protocol.MaxNanoNats.
func scaled(x protocol.NanoNats, q16 uint32) protocol.NanoNats {
	hi, lo := bits.Mul64(uint64(max(x, 0)), uint64(q16))
	return protocol.NanoNats(hi<<48 | lo>>16)
}

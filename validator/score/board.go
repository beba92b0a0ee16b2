package score

// This file holds the board: what is remembered of workers between rounds.

import (
	"bytes"
	"cmp"
	"slices"

	"lode/gradient"
	"lode/protocol"
)

// maxSum bounds what a validator can think of a worker over an epoch, however
// long, so that opinions cannot overflow.
const maxSum protocol.NanoNats = 1 << 62

// normRounds is how many rounds of accepted norms and scores the references look
// back on: few, because norms follow the learning rate.
const normRounds = 4

// Board is the memory of scoring. Its fields are its canonical encoding, part of
// the run's state; only [Board.Apply] and [Board.EndEpoch] change them. The zero
// Board is a run's beginning.
type Board struct {
	_ struct{} `cbor:",toarray"`
	// Norms and Scores of accepted updates, oldest first; Counts says how many
	// each of the last normRounds rounds added.
	Norms  []gradient.Norm
	Scores []protocol.NanoNats
	Counts []uint32
	// Works of the last numWorks examinations of acceptable updates, oldest first.
	Works []protocol.NanoNats
	// Standings of workers, sorted by id.
	Standings []Standing
	// Sums of first-order scores this epoch, sorted by validator, then worker.
	Sums []Sum
}

// Standing is what is known of one worker over all rounds.
type Standing struct {
	_        struct{} `cbor:",toarray"`
	Worker   protocol.NodeID
	Accepted uint64
	Refused  uint64
	Work     int32  // running mean of proof of work against the reference, Q16
	Examined uint32 // examinations so far
}

// Sum is one validator's opinion of one worker in the current epoch.
type Sum struct {
	_         struct{} `cbor:",toarray"`
	Validator protocol.NodeID
	Worker    protocol.NodeID
	Total     protocol.NanoNats
}

// Reference returns the clip reference: the lower median of the candidates'
// norms, but at most twice and at least half the running one, which is the lower
// median of recently accepted norms. Norms follow the learning rate and the loss,
// so yesterday's alone would hold honest work back while it grows; today's alone
// would let a majority of one round choose it freely. Empty updates have no say.
func (b *Board) Reference(candidates []Candidate) gradient.Norm {
	norms := make([]gradient.Norm, 0, len(candidates))
	for _, c := range candidates {
		if c.Norm != (gradient.Norm{}) {
			norms = append(norms, c.Norm)
		}
	}
	today := gradient.LowerMedian(norms)
	if len(b.Norms) == 0 {
		return today
	}
	running := gradient.LowerMedian(b.Norms)
	if most := running.Double(); today.Compare(most) > 0 {
		return most
	}
	if least := running.Half(); today.Compare(least) < 0 {
		return least
	}
	return today
}

// Standing returns what is known of a worker; the zero Standing if nothing is.
func (b *Board) Standing(w protocol.NodeID) Standing {
	if i, ok := b.find(w); ok {
		return b.Standings[i]
	}
	return Standing{Worker: w}
}

func (b *Board) find(w protocol.NodeID) (int, bool) {
	return slices.BinarySearchFunc(b.Standings, w, func(s Standing, w protocol.NodeID) int {
		return bytes.Compare(s.Worker[:], w[:])
	})
}

// worked reports whether the gate is passed, counting this round's examination.
func (b *Board) worked(p protocol.Score, w protocol.NodeID, e examination) bool {
	s := b.Standing(w).examined(e)
	return s.Examined < p.WorkMin || s.Work > p.WorkGate
}

// examination is a proof of work as a share of the reference, Q16; found is false
// if there was none this round.
type examination struct {
	share int32
	found bool
}

// maxShare bounds a single examination, either way: one lucky block must not
// outweigh many.
const maxShare = 2 << 16

// examination compares candidate i's median proof of work with the reference,
// the lower median of recent ones. What honest work proves shrinks as the loss
// falls, so it means something only against that of others.
func (b *Board) examination(sheets []Sheet, i int) examination {
	if len(sheets) > 0 && len(sheets[0].Rows) < minCompared {
		return examination{share: 1 << 16, found: true} // nobody there is shown to do more
	}
	work, found := workOf(sheets, i)
	reference := lowerMedian(b.Works)
	if !found || len(b.Works) < minWorks || reference <= 0 {
		return examination{}
	}
	share := max(-maxShare, min(maxShare, (max(-workBound, min(workBound, work))<<16)/reference))
	return examination{share: int32(share), found: true}
}

const (
	numWorks = 16 // examinations that the reference looks back on
	minWorks = 4  // examinations before there is a reference
	// minCompared is how many candidates it takes to examine one: of two, each would be
	// measured by the other's luck.
	minCompared = 3
	// workBound keeps a proof of work times 2^16 inside an int64.
	workBound protocol.NanoNats = 1 << 46
)

// examined returns the standing after one examination: the mean of the first
// eight, then an exponential mean with weight 1/8.
func (s Standing) examined(e examination) Standing {
	if !e.found {
		return s
	}
	s.Examined++
	s.Work += (e.share - s.Work) / int32(min(s.Examined, 8))
	return s
}

// Apply enters one final round: refused holds the workers whose commits never
// became candidates, verdicts and sheets are what [Board.Decide] saw and gave.
func (b *Board) Apply(verdicts []Verdict, sheets []Sheet, refused []protocol.NodeID) {
	var count uint32
	var news []Sum
	var works []protocol.NanoNats
	for i, v := range verdicts {
		if v.Reason == protocol.OK {
			b.Norms = append(b.Norms, v.Norm)
			b.Scores = append(b.Scores, v.Score)
			count++
		}
		b.note(v.Worker, v.Reason == protocol.OK, b.examination(sheets, i))
		if w, found := workOf(sheets, i); found && (v.Reason == protocol.OK || v.Reason == protocol.NoWork) {
			works = append(works, w)
		}
		switch v.Reason {
		case protocol.OK, protocol.NoImprovement:
			for _, s := range sheets {
				news = append(news, Sum{Validator: s.Validator, Worker: v.Worker, Total: worth(s.Rows[i], v.Reason)})
			}
		case protocol.NoWork:
			b.forget(v.Worker)
		}
	}
	b.add(news)
	for _, w := range refused {
		b.note(w, false, examination{})
	}
	b.Works = append(b.Works, works...)
	b.Works = b.Works[max(0, len(b.Works)-numWorks):]
	b.Counts = append(b.Counts, count)
	if len(b.Counts) > normRounds {
		old := b.Counts[0]
		b.Norms, b.Scores, b.Counts = b.Norms[old:], b.Scores[old:], b.Counts[1:]
	}
}

// worth is what a row is worth in pay: its first-order score, or for a refused
// update the exact difference where that was measured and is less.
func worth(r protocol.Row, verdict protocol.Reason) protocol.NanoNats {
	if verdict != protocol.OK && r.Audited {
		return min(r.First, r.Paired)
	}
	return r.First
}

func (b *Board) note(w protocol.NodeID, accepted bool, e examination) {
	i, ok := b.find(w)
	if !ok {
		b.Standings = slices.Insert(b.Standings, i, Standing{Worker: w})
	}
	s := b.Standings[i].examined(e)
	if accepted {
		s.Accepted++
	} else {
		s.Refused++
	}
	b.Standings[i] = s
}

// add adds one round's opinions, of which no two are of one validator and worker.
func (b *Board) add(news []Sum) {
	slices.SortFunc(news, compareSums)
	all := make([]Sum, 0, len(b.Sums)+len(news))
	old := b.Sums
	for _, n := range news {
		for len(old) > 0 && compareSums(old[0], n) < 0 {
			all, old = append(all, old[0]), old[1:]
		}
		n.Total = max(-protocol.MaxNanoNats, min(n.Total, protocol.MaxNanoNats))
		if len(old) > 0 && compareSums(old[0], n) == 0 {
			n.Total, old = max(-maxSum, min(old[0].Total+n.Total, maxSum)), old[1:]
		}
		all = append(all, n)
	}
	b.Sums = append(all, old...)
}

func compareSums(s, t Sum) int {
	return cmp.Or(bytes.Compare(s.Validator[:], t.Validator[:]), bytes.Compare(s.Worker[:], t.Worker[:]))
}

// forget drops what was thought of a worker that does not work.
func (b *Board) forget(w protocol.NodeID) {
	b.Sums = slices.DeleteFunc(b.Sums, func(s Sum) bool { return s.Worker == w })
}

// proven reports whether a worker was examined often enough to be paid.
func (b *Board) proven(p protocol.Score, w protocol.NodeID) bool {
	return p.Examine == 0 || b.Standing(w).Examined >= p.WorkMin
}

// Opinions returns the positive part of what each validator thinks of each
// worker this epoch, sorted by validator, then worker. Workers that were not
// examined often enough yet are left out; their sums wait.
func (b *Board) Opinions(p protocol.Score) []Sum {
	var out []Sum
	for _, s := range b.Sums {
		if s.Total > 0 && b.proven(p, s.Worker) {
			out = append(out, s)
		}
	}
	return out
}

// Owed reports whether somebody thinks well of a worker this epoch.
func (b *Board) Owed(w protocol.NodeID) bool {
	return slices.ContainsFunc(b.Sums, func(s Sum) bool { return s.Worker == w && s.Total > 0 })
}

// EndEpoch forgets the opinions that validators said, but for those of workers that
// were left out. What was not said waits.
func (b *Board) EndEpoch(p protocol.Score, said func(validator protocol.NodeID) bool) {
	b.Sums = slices.DeleteFunc(b.Sums, func(s Sum) bool { return b.proven(p, s.Worker) && said(s.Validator) })
}

// Digest names the board's content.
func (b *Board) Digest() protocol.Digest { return protocol.Hash("board", protocol.Encode(*b)) }

// Clone returns an independent copy.
func (b *Board) Clone() Board {
	c := *b
	c.Norms, c.Scores, c.Counts = slices.Clone(b.Norms), slices.Clone(b.Scores), slices.Clone(b.Counts)
	c.Works, c.Standings, c.Sums = slices.Clone(b.Works), slices.Clone(b.Standings), slices.Clone(b.Sums)
	return c
}

package score

// This file holds which candidates are looked at closely.

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"lode/protocol"
)

// Choose returns the indices of the candidates that every validator audits and
// examines this round, drawn by the evaluation seed. Workers that were not
// examined WorkMin times yet come first, the least examined before the others. One or
// two are not examined: there is too little to compare them with.
func (b *Board) Choose(p protocol.Score, seed protocol.Digest, candidates []Candidate) (audited, examined []int) {
	audited = draw(seed, "audit", len(candidates))
	examined = draw(seed, "examine", len(candidates))
	times := func(i int) uint32 { return min(b.Standing(candidates[i].Worker).Examined, p.WorkMin) }
	slices.SortStableFunc(examined, func(i, j int) int { return cmp.Compare(times(i), times(j)) })
	if len(candidates) < minCompared {
		examined = nil
	}
	return first(audited, p.Audit), first(examined, p.Examine)
}

// Others draws up to most of n candidates for candidate i to be compared with.
func Others(seed protocol.Digest, i, n, most int) []int {
	others := slices.DeleteFunc(draw(seed, "compare", n), func(k int) bool { return k == i })
	return others[:min(most, len(others))]
}

// draw returns a permutation of n indices.
func draw(seed protocol.Digest, purpose string, n int) []int {
	d := protocol.Hash("drawn candidates", []byte(purpose), seed[:])
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(d[:]), binary.LittleEndian.Uint64(d[8:]))).Perm(n)
}

func first(of []int, n uint32) []int { return of[:min(uint64(len(of)), uint64(n))] }

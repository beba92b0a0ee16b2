package score

// This file holds the proof of work: what an update does for its own data that
// others' updates do not.

// Pair is what one update promises, to first order, on two batches.
type Pair struct {
	Own    float64 // on data that one worker was assigned
	Shared float64 // on the batch shared by all
}

// Work returns how much more an update improves the data its worker was assigned
// than updates of others would that are worth as much on the shared batch:
//
//	own − shared · median(own_j / shared_j)
//
// Two batches of text are never equally hard. That difference is the same for all
// updates, so what others promise on both takes it out. Others that are worth
// nothing say nothing; without any the ratio is 1. With an even number the lower
// median counts.
func Work(u Pair, others []Pair) float64 {
	ratios := make([]float64, 0, len(others))
	for _, o := range others {
		if o.Shared > 0 {
			ratios = append(ratios, o.Own/o.Shared)
		}
	}
	ratio := 1.0
	if len(ratios) > 0 {
		ratio = lowerMedian(ratios)
	}
	return u.Own - float64(u.Shared*ratio)
}

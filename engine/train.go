package engine

// This file holds several steps in a row.

import (
	"context"
	"iter"
	"math"

	"lode/tensor"
)

// Train takes a step on each batch, at most num of them, and returns the mean of the
// losses before them and the number of targets. It ends between two steps when ctx
// does. Of a [Queuer] it queues them.
func Train(ctx context.Context, e Engine, h Hyper, num int, batches iter.Seq2[Batch, error]) (loss float64, targets uint64, err error) {
	q, done := queuer(e), 0
	targets, err = queue(ctx, q, h, num, batches, func(one float64) { loss, done = loss+one, done+1 })
	if werr := q.Wait(); werr != nil { // of a step before what err is about
		err = werr
	}
	if err != nil {
		return 0, 0, err
	}
	return loss / float64(max(done, 1)), targets, nil
}

// queue queues what Train takes.
func queue(ctx context.Context, q Queuer, h Hyper, num int, batches iter.Seq2[Batch, error], said func(float64)) (targets uint64, err error) {
	done := 0
	for b, err := range batches {
		if err != nil {
			return 0, err
		}
		if done == num {
			break
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if err := q.Queue(b, h, said); err != nil {
			return 0, err
		}
		targets += uint64(b.NumTargets())
		done++
	}
	return targets, nil
}

// Norm returns the Euclidean norm of a model's values, such as [Engine.Grad].
func Norm(l tensor.Layout, r tensor.Reader) (float64, error) {
	var sum float64
	var vals [tensor.ChunkLen]float32
	for c := range l.Chunks() {
		if err := r.ReadChunk(c, vals[:c.Len]); err != nil {
			return 0, err
		}
		for _, v := range vals[:c.Len] {
			sum += float64(float64(v) * float64(v))
		}
	}
	return math.Sqrt(sum), nil
}

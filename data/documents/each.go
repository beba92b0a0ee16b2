package documents

// This file holds work on documents on several cores, collected in order.

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// job is a batch on its way, and where its result comes.
type job[T any] struct {
	batch  *Batch
	result chan T
}

// Each reads a set as Read does, has work done on the batches by so many
// goroutines, and hands batches and results to take, one after the other, in the
// order of the set. What is under way is bounded. The first error ends it.
func Each[T any](ctx context.Context, workers int, read func(context.Context, func(*Batch) error) error,
	work func(*Batch) (T, error), take func(*Batch, T) error,
) error {
	g, ctx := errgroup.WithContext(ctx)
	todo, order := make(chan job[T]), make(chan job[T], 2*workers)
	g.Go(func() error { // ends with the set or with ctx
		defer close(todo)
		defer close(order)
		return read(ctx, func(b *Batch) error {
			j := job[T]{b, make(chan T, 1)}
			for _, c := range []chan job[T]{order, todo} {
				select {
				case c <- j:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	})
	for range workers {
		g.Go(func() error { // ends with todo
			for j := range todo {
				r, err := work(j.batch)
				if err != nil {
					return err
				}
				j.result <- r
			}
			return nil
		})
	}
	g.Go(func() error { // ends with order or with ctx
		for j := range order {
			select {
			case r := <-j.result:
				if err := errors.Join(ctx.Err(), take(j.batch, r)); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return g.Wait()
}

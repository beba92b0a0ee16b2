package cuda

// This file holds what the card does with updates in their plain form, which is all that
// crosses the bus: it subtracts one, and multiplies many with the gradient.

import (
	"iter"
	"runtime"
	"slices"
	"sync"

	"lode/engine/cuda/driver"
	"lode/gradient"
	"lode/tensor"
)

// tiled is an update whose plain form kernels can read.
type tiled interface {
	Tiles() []gradient.Tiles
	Bytes(from, to int) []byte
	Params() gradient.Params
}

// tilesOf returns where the chunks of v lie, nil if v has no plain form that kernels read.
func tilesOf(v gradient.Vector) (tiled, []gradient.Tiles) {
	if p, ok := v.(tiled); ok {
		return p, p.Tiles()
	}
	return nil, nil
}

// stretch is n consecutive chunks of one tensor: its values, and where they lie in the plain
// form.
type stretch struct {
	gradient.Tiles
	at, values int
	n          int
	from, to   int
}

// pieces yields all chunks of an update that is tiled so, in turn: as many stretches at a time as
// have at most so many bytes, with extra for each chunk, or one chunk.
func pieces(l tensor.Layout, tensors []gradient.Tiles, most, extra int) iter.Seq[[]stretch] {
	return func(yield func([]stretch) bool) {
		var piece []stretch
		room := most
		for t, tiles := range tensors {
			if tiles.Step == 0 {
				continue
			}
			for first, num := 0, l.NumChunksOf(t); first < num; {
				n := min(num-first, room/(tiles.Step+extra))
				if n == 0 && len(piece) > 0 {
					if !yield(piece) {
						return
					}
					piece, room = nil, most
					continue
				}
				n = max(n, 1)
				from := first * tensor.ChunkLen
				s := stretch{Tiles: tiles, at: l.Offset(t) + from, values: min(l.Spec(t).Len()-from, n*tensor.ChunkLen), n: n, from: tiles.From + first*tiles.Step}
				s.to = min(s.from+n*tiles.Step, tiles.To)
				piece, room, first = append(piece, s), room-n*(tiles.Step+extra), first+n
			}
		}
		if len(piece) > 0 {
			yield(piece)
		}
	}
}

// ends returns where the chunks of a piece begin and end in the plain form.
func ends(piece []stretch) (from, to int) { return piece[0].from, piece[len(piece)-1].to }

// subtractPlain takes an update, times by, off the vector.
func (v *vector) subtractPlain(u tiled, tensors []gradient.Tiles, by float64) error {
	e := v.e
	for piece := range pieces(e.layout, tensors, e.exchange.halves[0].bytes, 0) {
		h, err := e.exchange.turn()
		if err != nil {
			return err
		}
		from, to := ends(piece)
		copy(h.host.Bytes(), u.Bytes(from, to))
		if err := e.ship(h, to-from); err != nil {
			return err
		}
		for _, s := range piece {
			if err := e.blocks("subtract_plain", s.n, driver.At(v.at(s.at)), driver.At(h.card.Plus(int64(s.from-from))),
				driver.Long(int64(s.values)), driver.Int(s.K), driver.Int(u.Params().Bits), driver.Int(s.Step), driver.Double(by)); err != nil {
				return err
			}
		}
		if err := e.leave(h); err != nil {
			return err
		}
	}
	return nil
}

// alike are updates of one tiling.
type alike struct {
	tensors []gradient.Tiles
	bits    int
	updates []tiled
	sums    []*float64 // where the product of each belongs
}

// sumBytes is what a product takes. maxTogether bounds how many updates are multiplied at a time.
const (
	sumBytes    = 8
	maxTogether = 1 << 10
)

// sorted sorts updates by their tiling; those of none are left out.
func sorted(vs []gradient.Vector, sums []float64) (groups []*alike, others []int) {
	for i, v := range vs {
		u, tensors := tilesOf(v)
		if tensors == nil {
			others = append(others, i)
			continue
		}
		bits := u.Params().Bits
		at := slices.IndexFunc(groups, func(g *alike) bool { return g.bits == bits && slices.Equal(g.tensors, tensors) })
		if at < 0 {
			at, groups = len(groups), append(groups, &alike{tensors: tensors, bits: bits})
		}
		g := groups[at]
		g.updates, g.sums = append(g.updates, u), append(g.sums, &sums[i])
	}
	return groups, others
}

// longest returns the bytes of the longest chunk.
func (g *alike) longest() (n int) {
	for _, t := range g.tensors {
		n = max(n, t.Step)
	}
	return n
}

// dotsPlain multiplies alike updates with the gradient.
func (e *Engine) dotsPlain(g *alike) error {
	room := e.exchange.halves[0].bytes
	most := min(maxTogether, room/(g.longest()+2*sumBytes))
	for lo := 0; lo < len(g.updates); lo += most {
		hi := min(lo+most, len(g.updates))
		if err := e.multiplyPlain(g, g.updates[lo:hi], g.sums[lo:hi]); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) multiplyPlain(g *alike, updates []tiled, sums []*float64) error {
	num, scores := len(updates), e.program.scores
	if err := e.stream.Zero(scores.at(0), int64(sumBytes*num)); err != nil {
		return err
	}
	for piece := range pieces(e.layout, g.tensors, e.exchange.halves[0].bytes/num-sumBytes, sumBytes) {
		h, err := e.exchange.turn()
		if err != nil {
			return err
		}
		from, to := ends(piece)
		gather(h.host.Bytes(), updates, from, to)
		if err := e.ship(h, num*(to-from)); err != nil {
			return err
		}
		begin := h.card.Plus(int64(num*(to-from)+sumBytes-1) / sumBytes * sumBytes)
		done := 0
		for _, s := range piece {
			if err := e.stream.Launch(e.kernels["dots_plain"], driver.Grid{X: s.n, Y: (num + together - 1) / together, Threads: threads},
				driver.At(begin.Plus(int64(sumBytes*num*done))), driver.At(e.grads.at(s.at)), driver.At(h.card.Plus(int64(s.from-from))),
				driver.Long(int64(s.values)), driver.Int(s.K), driver.Int(g.bits), driver.Int(s.Step), driver.Int(num), driver.Long(int64(to-from))); err != nil {
				return err
			}
			done += s.n
		}
		if err := e.blocks("totals", (num+threads-1)/threads, scores.arg(), driver.At(begin), driver.Int(done), driver.Int(num)); err != nil {
			return err
		}
		if err := e.leave(h); err != nil {
			return err
		}
	}
	h, err := e.exchange.turn()
	if err != nil {
		return err
	}
	if err := e.stream.Download(h.host, scores.at(0), int64(sumBytes*num)); err != nil {
		return err
	}
	if err := e.stream.Wait(); err != nil {
		return err
	}
	for i, s := range h.host.Doubles()[:num] {
		*sums[i] = s
	}
	return nil
}

// together is how many updates a block of dots_plain multiplies.
const together = 16

// gather copies the same bytes of each update, one after another, on several cores: one alone
// does not keep up with the bus.
func gather(dst []byte, updates []tiled, from, to int) {
	n := to - from
	var wait sync.WaitGroup
	lanes := max(1, min(runtime.GOMAXPROCS(0), len(updates), n*len(updates)>>20))
	for lane := range lanes { // each ends with its updates
		wait.Go(func() {
			for i := len(updates) * lane / lanes; i < len(updates)*(lane+1)/lanes; i++ {
				copy(dst[i*n:], updates[i].Bytes(from, to))
			}
		})
	}
	wait.Wait()
}

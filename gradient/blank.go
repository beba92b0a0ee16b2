package gradient

// This file holds what an engine must know to make plain forms where its values live.

import "lode/tensor"

// Tiles says where the chunks of one tensor lie in the plain form, in bytes. The zero
// Tiles are those of a tensor that is frozen.
type Tiles struct {
	K    int // values kept of a whole chunk, of one of n values ⌈K·n/4096⌉; 0: all, in 8 bits
	From int // where the first begins
	Step int // from one to the next
	To   int // where the last ends
}

// Blank returns the plain form of an update under l and p, which says topk, without its
// chunks, and for each tensor where these belong. [ParsePlain] makes an update of it when
// they are there.
func Blank(l tensor.Layout, p Params) (plain []byte, tensors []Tiles, err error) {
	f, err := newPlan(l, p)
	if err != nil {
		return nil, nil, err
	}
	plain = make([]byte, f.size)
	copy(plain, header)
	for t, of := range f.of {
		if of == frozen {
			tensors = append(tensors, Tiles{})
			continue
		}
		var last tensor.Chunk
		for last = range l.ChunksOf(t) {
		}
		_, to := f.within(last)
		tiles := Tiles{From: f.starts[t], Step: f.steps[t], To: to}
		if c, ok := f.codecs[of].(topk); ok {
			tiles.K = c.k
		}
		tensors = append(tensors, tiles)
	}
	return plain, tensors, nil
}

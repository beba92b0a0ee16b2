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
	return plain, f.tiles(), nil
}

func (f *plan) tiles() (tensors []Tiles) {
	for t, of := range f.of {
		if of == frozen {
			tensors = append(tensors, Tiles{})
			continue
		}
		n := f.layout.NumChunksOf(t)
		_, to := f.within(tensor.Chunk{Tensor: t, Index: n - 1, Len: f.layout.Spec(t).Len() - (n-1)*tensor.ChunkLen})
		tiles := Tiles{From: f.starts[t], Step: f.steps[t], To: to}
		if c, ok := f.codecs[of].(topk); ok {
			tiles.K = c.k
		}
		tensors = append(tensors, tiles)
	}
	return tensors
}

// Tiles says where the chunks of each tensor lie in the plain form of p. It is nil unless
// p is a whole update and its codec topk.
func (p *Part) Tiles() []Tiles {
	if p.f.params.Codec != TopK || p.from > len(header) || p.from+len(p.plain) != p.f.size {
		return nil
	}
	return p.f.tiles()
}

// Bytes returns bytes from to before to of the plain form, which p must have. The caller
// must not change them.
func (p *Part) Bytes(from, to int) []byte { return p.plain[from-p.from : to-p.from] }

package gradient

// This file holds where each chunk lies in the plain form, a function of layout
// and parameters alone.

import (
	"lode/gradient/column"
	"lode/tensor"
)

// Plain form: header, then the chunks of all tensors in order.
const (
	header   = "LGU\x01" // name and number of the format
	scaleLen = 3         // exponent, high mantissa, low mantissa
)

// format is the plain form's table of contents.
type format struct {
	layout  tensor.Layout
	params  Params
	starts  []int // per tensor, where its first chunk lies
	size    int   // length of the plain form
	numKept int   // values named by an update: kept ones and dense ones
	numSel  int   // those of sparse tensors
	numEsc  int   // bound on the escape bytes of all positions
	codes   int   // bytes of codes of all sparse chunks
	scales  int   // number of sparse chunks
	dense   int   // number of dense values
	exps    int   // number of dense chunks
}

func newFormat(l tensor.Layout, p Params) (*format, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	f := &format{layout: l, params: p, starts: make([]int, l.NumTensors()), size: len(header)}
	for t := range f.starts {
		f.starts[t] = f.size
		n := l.Spec(t).Len()
		full, rest := n/tensor.ChunkLen, n%tensor.ChunkLen
		f.addChunks(t, full, tensor.ChunkLen)
		if rest > 0 {
			f.addChunks(t, 1, rest)
		}
	}
	f.numKept = f.numSel + f.dense
	return f, nil
}

// addChunks counts num chunks of n values of tensor t.
func (f *format) addChunks(t, num, n int) {
	f.size += num * f.chunkSize(t, n)
	if f.isDense(t) {
		f.exps += num
		f.dense += num * n
		return
	}
	k := f.params.kept(n)
	f.scales += num
	f.numSel += num * k
	f.codes += num * codesLen(k)
	f.numEsc += num * column.NumEscapes(n, k)
}

// isDense tells whether tensor t goes dense: one dimension and not long.
func (f *format) isDense(t int) bool {
	s := f.layout.Spec(t)
	return len(s.Shape) == 1 && s.Shape[0] <= DenseLen
}

// codesLen returns the bytes that k codes of 2 bits fill.
func codesLen(k int) int { return (2*k + 7) / 8 }

// chunkSize returns the plain bytes of a chunk of n values of tensor t.
func (f *format) chunkSize(t, n int) int {
	if f.isDense(t) {
		return 1 + n
	}
	k := f.params.kept(n)
	return scaleLen + 2*k + codesLen(k)
}

// chunk returns the bytes of c within plain.
func (f *format) chunk(plain []byte, c tensor.Chunk) []byte {
	at := f.starts[c.Tensor] + c.Index*f.chunkSize(c.Tensor, tensor.ChunkLen)
	return plain[at : at+f.chunkSize(c.Tensor, c.Len)]
}

// sparse is one sparse chunk in the plain form, cut into its parts.
type sparse struct {
	scale     []byte // exponent, high mantissa, low mantissa
	positions []byte // k × uint16, little-endian
	codes     []byte // 4 per byte, lowest bits first
}

func cutSparse(b []byte, k int) sparse {
	return sparse{b[:scaleLen], b[scaleLen : scaleLen+2*k], b[scaleLen+2*k:]}
}

// MaxPlainLen returns the length of the plain form of every update under l and
// p, or 0 if p is not valid.
func MaxPlainLen(l tensor.Layout, p Params) int {
	f, err := newFormat(l, p)
	if err != nil {
		return 0
	}
	return f.size
}

// MaxWireLen bounds the length of the wire form of every update under l and p;
// it is 0 if p is not valid. Longer input is refused unread.
func MaxWireLen(l tensor.Layout, p Params) int {
	f, err := newFormat(l, p)
	if err != nil {
		return 0
	}
	ranges := f.columns()
	return len(header) + column.MaxLen(ranges[:]...)
}

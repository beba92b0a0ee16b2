package aggregation

// This file tests merges of updates that are not in memory.

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"

	"lode/gradient"
	"lode/tensor"
)

func stored(tb testing.TB, u *gradient.Update, r io.ReaderAt) *gradient.Stored {
	tb.Helper()
	s, err := gradient.NewStored(u.Layout(), u.Params(), r)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// Where an update is kept does not change a byte of the step, whatever the
// codec, the number of cores and the tensors' sizes.
func TestStoredMergesAlike(t *testing.T) {
	l := layoutOf(t,
		tensor.Spec{Name: "embed", Shape: []int{300, 90}, Kind: tensor.Embedding},
		tensor.Spec{Name: "norm", Shape: []int{90}},
		tensor.Spec{Name: "frozen", Shape: []int{70, 90}, Kind: tensor.Frozen},
		tensor.Spec{Name: "head", Shape: []int{60, tensor.ChunkLen}},
	)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for i, p := range []gradient.Params{
		gradient.DefaultParams(),
		{Codec: gradient.DCT, K: 9, Bits: 3, EMin: -40, EMax: -4},
		{Codec: gradient.Sign, Bits: 1, EMin: -40, EMax: -4},
		{Codec: gradient.Dense, Bits: 16, EMin: -40, EMax: -4},
	} {
		runtime.GOMAXPROCS(1 + i%3)
		cs := contributions(t, l, p, uint64(i), 5)
		want := mustMerge(t, l, DefaultConfig(p), cs, nil)
		for w := range cs {
			u := cs[w].Update.(*gradient.Update)
			cs[w].Update = stored(t, u, bytes.NewReader(u.Plain()))
		}
		if got := mustMerge(t, l, DefaultConfig(p), cs, nil); !bytes.Equal(got.Plain(), want.Plain()) {
			t.Errorf("%s: steps differ", p.Codec)
		}
		for c := range l.ChunksOf(2) {
			if e, _ := want.Entries(nil, c); len(e) > 0 {
				t.Errorf("%s: the step moves a frozen tensor", p.Codec)
			}
		}
	}
}

// failsAt reads like its bytes, but fails for reads that touch byte at.
type failsAt struct {
	b  []byte
	at int
}

var errStored = errors.New("disk on fire")

func (f failsAt) ReadAt(p []byte, off int64) (int, error) {
	if int(off) <= f.at && f.at < int(off)+len(p) {
		return 0, errStored
	}
	return bytes.NewReader(f.b).ReadAt(p, off)
}

// A read that fails and bytes that are no update end a merge with an error that
// says whose.
func TestStoredRefuses(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{60, tensor.ChunkLen}})
	p := gradient.DefaultParams()
	cs := contributions(t, l, p, 1, 3)
	u := cs[1].Update.(*gradient.Update)
	damaged := bytes.Clone(u.Plain())
	damaged[len(damaged)-1] ^= 0x40
	damaged[len(damaged)-20] = 0xff // a position beyond the chunk or out of order
	for name, c := range map[string]struct {
		r    io.ReaderAt
		want error
	}{
		"failing": {failsAt{u.Plain(), len(u.Plain()) / 2}, errStored},
		"short":   {bytes.NewReader(u.Plain()[:len(u.Plain())-1]), io.EOF},
		"damaged": {bytes.NewReader(damaged), gradient.ErrMalformed},
	} {
		cs[1].Update = stored(t, u, c.r)
		_, err := Merge(l, DefaultConfig(p), cs, nil)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", name, err, c.want)
		}
		t.Log(err)
	}
}

// endless is the plain form of an update of zeros of any length: it makes large
// updates without memory.
type endless struct{ header []byte }

func (e endless) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if off < int64(len(e.header)) {
		copy(p, e.header[off:])
	}
	return len(p), nil
}

// A merge holds a window of each update, not the updates: 50 dense ones of 4
// million values, 200 MB, take less than a tenth of that.
func TestMergeMemoryIsFlat(t *testing.T) {
	l := layoutOf(t, tensor.Spec{Name: "w", Shape: []int{1024, tensor.ChunkLen}})
	p := gradient.Params{Codec: gradient.Dense, Bits: 8, EMin: -40, EMax: -4}
	var cs []Contribution
	for range 50 {
		s, err := gradient.NewStored(l, p, endless{[]byte("LGU\x01")})
		if err != nil {
			t.Fatal(err)
		}
		cs = append(cs, Contribution{Update: s, Clip: gradient.Unclipped})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	mustMerge(t, l, DefaultConfig(p), cs, nil)
	runtime.ReadMemStats(&after)
	t.Logf("%.1f MB allocated in all", float64(after.TotalAlloc-before.TotalAlloc)/1e6)
	if got := after.TotalAlloc - before.TotalAlloc; got > 20e6 {
		t.Errorf("%d bytes allocated", got)
	}
}

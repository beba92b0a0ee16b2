package safetensors

// This file tests reading models of other programs: several files, narrower types, and
// what does not fit.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"lode/tensor"
)

// part returns a file with the tensors given, whose values are raw.
func part(t *testing.T, raw []byte, entries ...Entry) Part {
	t.Helper()
	h, err := New(map[string]string{"format": "pt"}, entries...)
	if err != nil {
		t.Fatal(err)
	}
	b := append(h.Encode(), raw...)
	if h, err = Parse(bytes.NewReader(b), int64(len(b))); err != nil {
		t.Fatal(err)
	}
	return Part{bytes.NewReader(b), h}
}

func layout(t *testing.T, specs ...tensor.Spec) tensor.Layout {
	t.Helper()
	l, err := tensor.NewLayout(specs...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Every number of 16 bits is widened to the value that it has.
func TestWidenIsExact(t *testing.T) {
	const n = 1 << 16
	l := layout(t, tensor.Spec{Name: "half", Shape: []int{n}}, tensor.Spec{Name: "upper", Shape: []int{n}})
	var raw []byte
	for i := range n {
		raw = binary.LittleEndian.AppendUint16(raw, uint16(i))
	}
	m, err := Gather(l, nil,
		part(t, raw, Entry{Name: "upper", DType: BF16, Shape: []int{n}}),
		part(t, raw, Entry{Name: "half", DType: F16, Shape: []int{n}}))
	if err != nil {
		t.Fatal(err)
	}
	got := make(tensor.Flat, l.Len())
	if err := tensor.Copy(l, got, m); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if want := half(uint16(i)); float64(got[i]) != want && !(want != want && got[i] != got[i]) ||
			math.Signbit(float64(got[i])) != (i >= 1<<15) {
			t.Fatalf("half %04x is %v, want %v", i, got[i], want)
		}
		if b := math.Float32bits(got[n+i]); b != uint32(i)<<16 {
			t.Fatalf("upper half %04x became %08x", i, b)
		}
	}
}

// half is the definition of IEEE 754 binary16, in float64.
func half(h uint16) float64 {
	exp, frac, sign := int(h>>10&31), float64(h&1023), 1.0
	if h>>15 == 1 {
		sign = -1
	}
	switch {
	case exp == 31 && frac > 0:
		return math.NaN()
	case exp == 31:
		return math.Inf(int(sign))
	case exp == 0:
		return sign * math.Ldexp(frac, -24)
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}

// One error names everything that is wrong.
func TestGatherNamesAll(t *testing.T) {
	f32 := func(vals ...float32) (raw []byte) {
		for _, v := range vals {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		return raw
	}
	one := func(name string) Entry { return Entry{Name: name, DType: F32, Shape: []int{1}} }
	l := layout(t, tensor.Spec{Name: "a", Shape: []int{1}}, tensor.Spec{Name: "b", Shape: []int{2, 1}}, tensor.Spec{Name: "c", Shape: []int{1}},
		tensor.Spec{Name: "d", Shape: []int{1}}, tensor.Spec{Name: "e", Shape: []int{1}}, tensor.Spec{Name: "f", Shape: []int{1}})
	first := part(t, f32(1, 2, 3, float32(math.NaN()), 5),
		one("a"), Entry{Name: "b", DType: F32, Shape: []int{1, 2}}, one("d"), one("x\n"))
	second := part(t, append(f32(1, float32(math.Inf(-1))), make([]byte, 8)...), one("a"), one("e"), Entry{Name: "f", DType: I64, Shape: []int{1}})
	_, err := GatherFinite(l, nil, first, second)
	const want = "safetensors: the tensors are not the model's; missing: c; surplus: \"x\\n\"; " +
		"of another shape: b is F32 [1 2], want [2 1], f is I64 [1], want [1]; in two files: a; not finite: d, e"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	var misfit *Misfit
	if _, err := Gather(l, nil, first, second); !errors.As(err, &misfit) || misfit.NotFinite != nil || len(misfit.Missing) != 1 {
		t.Errorf("got %v", err)
	}
	small := layout(t, tensor.Spec{Name: "a", Shape: []int{1}})
	spare := func(name string) bool { return slices.Contains([]string{"b", "d", "x\n"}, name) }
	if _, err := GatherFinite(small, spare, first); err != nil {
		t.Errorf("what is of no account: %v", err)
	}
	if _, err := GatherFinite(small, nil, part(t, nil)); err == nil {
		t.Error("a file without tensors is taken")
	}
}

// A file that was cut after it was opened gives an error, and no zeros.
func TestGatherCutFile(t *testing.T) {
	p := part(t, make([]byte, 8), Entry{Name: "a", DType: F32, Shape: []int{2}})
	l := layout(t, tensor.Spec{Name: "a", Shape: []int{2}})
	p.File = bytes.NewReader(p.Header.Encode())
	if _, err := GatherFinite(l, nil, p); err == nil {
		t.Error("taken")
	}
	if m, err := Gather(l, nil, p); err != nil || m.ReadChunk(tensor.Chunk{Len: 2}, make([]float32, 2)) == nil {
		t.Errorf("taken, %v", err)
	}
}

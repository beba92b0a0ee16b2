package gradient

import (
	"testing"

	"lode/tensor"
)

const benchLen = 16 << 20 // values; 64 MiB, beyond the caches

func benchModel(b *testing.B) (tensor.Layout, tensor.Flat) {
	l := layoutOf(b, tensor.Spec{Name: "w", Shape: []int{benchLen / 1024, 1024}})
	return l, heavyTail(1, benchLen)
}

// BenchmarkCopy is the yardstick: the rate at which the same values are copied.
func BenchmarkCopy(b *testing.B) {
	_, a := benchModel(b)
	dst := make(tensor.Flat, benchLen)
	b.SetBytes(4 * benchLen)
	for b.Loop() {
		copy(dst, a)
	}
}

func BenchmarkEncode(b *testing.B) {
	l, a := benchModel(b)
	b.SetBytes(4 * benchLen)
	for b.Loop() {
		if _, err := Encode(l, DefaultParams(), a); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSelect(b *testing.B) {
	_, a := benchModel(b)
	var s selector
	b.SetBytes(4 * benchLen)
	for b.Loop() {
		for at := 0; at < benchLen; at += tensor.ChunkLen {
			s.top(a[at:at+tensor.ChunkLen], 64)
		}
	}
}

func BenchmarkWire(b *testing.B) {
	l, a := benchModel(b)
	u, err := Encode(l, DefaultParams(), a)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(4 * benchLen)
	for b.Loop() {
		u.Wire()
	}
	b.ReportMetric(float64(8*len(u.Wire()))/float64(u.NumKept()), "bits/value")
}

func BenchmarkParsePlain(b *testing.B) {
	l, a := benchModel(b)
	u, err := Encode(l, DefaultParams(), a)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(4 * benchLen)
	for b.Loop() {
		if _, err := ParsePlain(l, DefaultParams(), u.Plain()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseWire(b *testing.B) {
	l, a := benchModel(b)
	u, err := Encode(l, DefaultParams(), a)
	if err != nil {
		b.Fatal(err)
	}
	wire := u.Wire()
	b.SetBytes(4 * benchLen)
	for b.Loop() {
		if _, err := ParseWire(l, DefaultParams(), wire); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDot(b *testing.B) {
	l, a := benchModel(b)
	u, err := Encode(l, DefaultParams(), a)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(4 * benchLen)
	for b.Loop() {
		if _, err := Dot(u, a); err != nil {
			b.Fatal(err)
		}
	}
}

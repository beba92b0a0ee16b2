package vectortest

// This file holds the text of vectors.

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"reflect"
	"slices"
	"testing"

	"lode/tensor"
)

// Tensor is a tensor of a layout.
type Tensor struct {
	Name  string      `json:"name"`
	Shape []int       `json:"shape"`
	Kind  tensor.Kind `json:"kind"`
}

// Tensors returns the tensors of a layout.
func Tensors(l tensor.Layout) (all []Tensor) {
	for t := range l.NumTensors() {
		all = append(all, Tensor(l.Spec(t)))
	}
	return all
}

// Layout returns the layout of tensors.
func Layout(tb testing.TB, all []Tensor) tensor.Layout {
	tb.Helper()
	specs := make([]tensor.Spec, len(all))
	for i, t := range all {
		specs[i] = tensor.Spec(t)
	}
	l, err := tensor.NewLayout(specs...)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// Floats returns the text of values.
func Floats(v tensor.Flat) string {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.BigEndian.AppendUint32(b, math.Float32bits(x))
	}
	return hex.EncodeToString(b)
}

// ParseFloats returns the values of a text.
func ParseFloats(tb testing.TB, text string) tensor.Flat {
	tb.Helper()
	b := Bytes(tb, text)
	v := make(tensor.Flat, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.BigEndian.Uint32(b[4*i:]))
	}
	return v
}

// Bytes returns the bytes of a text.
func Bytes(tb testing.TB, text string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// Digest returns the text of a SHA-256.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Settings are what vectors are read under, each once, in the order of the vectors:
// the inputs of a fuzz target begin with the number of one.
type Settings[S any] []S

// Add returns the number of a setting.
func (all *Settings[S]) Add(s S) uint8 {
	i := slices.IndexFunc(*all, func(have S) bool { return reflect.DeepEqual(have, s) })
	if i < 0 {
		i = len(*all)
		*all = append(*all, s)
	}
	return uint8(i)
}

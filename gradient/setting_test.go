package gradient

// This file holds the settings of vectors: what gives an update's bytes their
// meaning, as text.

import (
	"bytes"
	"encoding/hex"
	"testing"

	"lode/gradient/vectortest"
	"lode/tensor"
)

// setting is what gives an update's bytes their meaning, as vectors have it.
type setting struct {
	Tensors []vectortest.Tensor `json:"tensors"`
	Params  vectorParams        `json:"params"`
}

type vectorParams struct {
	Codec  string `json:"codec"`
	K      int    `json:"k"`
	KEmbed int    `json:"k_embed"`
	Bits   int    `json:"bits"`
	EMin   int8   `json:"e_min"`
	EMax   int8   `json:"e_max"`

	Support *vectorSupport `json:"support,omitempty"` // codec shared
}

// vectorSupport is what a support follows from.
type vectorSupport struct {
	Seed string `json:"seed"`
	Last string `json:"last"` // values of the last step, "" in the first round
}

func settingOf(l tensor.Layout, p Params) setting {
	return setting{vectortest.Tensors(l), vectorParams{Codec: p.Codec, K: p.K, KEmbed: p.KEmbed, Bits: p.Bits, EMin: p.EMin, EMax: p.EMax}}
}

func (s setting) open(tb testing.TB) (tensor.Layout, Params) {
	v, l := s.Params, vectortest.Layout(tb, s.Tensors)
	p := Params{Codec: v.Codec, K: v.K, KEmbed: v.KEmbed, Bits: v.Bits, EMin: v.EMin, EMax: v.EMax}
	if v.Support == nil {
		return l, p
	}
	var last Vector
	if v.Support.Last != "" {
		last = mustEncode(tb, l, exactly32, vectortest.ParseFloats(tb, v.Support.Last))
	}
	p, err := p.On(l, last, [32]byte(vectortest.Bytes(tb, v.Support.Seed)))
	if err != nil {
		tb.Fatal(err)
	}
	return l, p
}

// exactly32 keeps values of the last step as they are, if they are multiples of
// 2^−40 below 16.
var exactly32 = Params{Codec: Dense, Bits: 32, EMin: -40, EMax: -4}

// supported returns s with a support that follows a step if seed is odd.
func (s setting) supported(tb testing.TB, seed byte) setting {
	s.Params.Support = &vectorSupport{Seed: hex.EncodeToString(bytes.Repeat([]byte{seed}, 32))}
	if seed%2 == 1 {
		l, _ := s.open(tb)
		s.Params.Support.Last = vectortest.Floats(decode(tb, mustEncode(tb, l, exactly32, dyadic(uint64(seed), l.Len()))))
	}
	return s
}

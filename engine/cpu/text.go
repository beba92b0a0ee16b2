package cpu

// This file holds how a text is read on: one token at a time over a window of past
// keys and values.

import (
	"errors"
	"fmt"
	"math"

	"lode/engine/kernel"
	"lode/engine/model"
)

// Continue implements engine.Continuer for models of text.
//
// Every layer attends to the last Context tokens at most. Positions are
// relative, so text may grow beyond that; what the oldest tokens said then
// survives only in the keys and values they shaped.
func (e *Engine) Continue() (func(ids []int32) ([]float32, error), error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	m, ok := e.arch.(model.Llama)
	if !ok {
		return nil, fmt.Errorf("cpu: a model of family %s makes no text", e.arch.Family())
	}
	w := e.newWindow(m)
	return func(ids []int32) ([]float32, error) {
		if err := e.ready(); err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			return nil, errors.New("cpu: no token to go on after")
		}
		for i, id := range ids {
			if id < 0 || int(id) >= m.Vocab {
				return nil, fmt.Errorf("cpu: token %d is %d, the vocabulary has %d", i, id, m.Vocab)
			}
		}
		for _, id := range ids {
			w.feed(id)
		}
		return w.score(), nil
	}, nil
}

// window is the state of one generation: the residual of the last token, and the
// keys and values of the last Context tokens as a ring, [layers, context, kv].
type window struct {
	e             *Engine
	m             model.Llama
	at            int // tokens fed so far
	x, h          []float32
	qkv, out      []float32
	gateup, inner []float32
	keys, values  []float32
	scores        []float32 // one head's attention, length Context
	logits        []float32
}

func (e *Engine) newWindow(m model.Llama) *window {
	f := func(n int) []float32 { return make([]float32, n) }
	return &window{
		e: e, m: m, x: f(m.Dim), h: f(m.Dim), qkv: f(m.Dim + 2*m.KVDim()), out: f(m.Dim),
		gateup: f(2 * m.FFN), inner: f(m.FFN), scores: f(m.Context), logits: f(m.Vocab),
		keys: f(m.Layers * m.Context * m.KVDim()), values: f(m.Layers * m.Context * m.KVDim()),
	}
}

// tensors returns the values of the named tensor and the count-1 after it.
func (w *window) tensors(name string, count int) []float32 {
	l, t := w.e.layout, w.e.index[name]
	return w.e.params[l.Offset(t) : l.Offset(t+count-1)+l.Spec(t+count-1).Len()]
}

// feed runs the next token through all layers.
func (w *window) feed(id int32) {
	m, eps := w.m, float32(w.m.NormEps)
	copy(w.x, row(w.tensors("model.embed_tokens.weight", 1), int(id), m.Dim))
	cos, sin := kernel.Rotary(m.RopeTheta, m.HeadDim()/2, w.at, 1)
	for l := range m.Layers {
		prefix := fmt.Sprintf("model.layers.%d.", l)
		kernel.Norm(w.h, w.x, w.tensors(prefix+"input_layernorm.weight", 1), eps)
		apply(w.qkv, w.tensors(prefix+"self_attn.q_proj.weight", 3), w.h)
		w.attend(l, cos, sin)
		apply(w.h, w.tensors(prefix+"self_attn.o_proj.weight", 1), w.out)
		kernel.Axpy(w.x, 1, w.h)
		kernel.Norm(w.h, w.x, w.tensors(prefix+"post_attention_layernorm.weight", 1), eps)
		apply(w.gateup, w.tensors(prefix+"mlp.gate_proj.weight", 2), w.h)
		kernel.SwiGLU(w.inner, w.gateup[:m.FFN], w.gateup[m.FFN:])
		apply(w.h, w.tensors(prefix+"mlp.down_proj.weight", 1), w.inner)
		kernel.Axpy(w.x, 1, w.h)
	}
	w.at++
}

// attend sets out to the attention of the token in qkv over the window, itself
// included.
func (w *window) attend(layer int, cos, sin []float32) {
	m := w.m
	kv, hd := m.KVDim(), m.HeadDim()
	kernel.Rotate(w.qkv[:m.Dim+kv], cos, sin)
	ring := func(data []float32) []float32 { return data[layer*m.Context*kv : (layer+1)*m.Context*kv] }
	keys, values := ring(w.keys), ring(w.values)
	copy(row(keys, w.at%m.Context, kv), w.qkv[m.Dim:])
	copy(row(values, w.at%m.Context, kv), w.qkv[m.Dim+kv:])
	seen := min(w.at+1, m.Context) // slots 0 to seen; their order does not matter to a sum
	scale := float32(1 / math.Sqrt(float64(hd)))
	clear(w.out)
	for h := range m.Heads {
		from := h / (m.Heads / m.KVHeads) * hd
		for s := range seen {
			w.scores[s] = kernel.Dot(row(w.qkv, h, hd), keys[s*kv+from:][:hd])
		}
		kernel.Softmax(w.scores[:seen], scale)
		for s := range seen {
			kernel.Axpy(row(w.out, h, hd), w.scores[s], values[s*kv+from:][:hd])
		}
	}
}

// score returns the logits after the last token fed; they are overwritten by the
// next call.
func (w *window) score() []float32 {
	m := w.m
	kernel.Norm(w.h, w.x, w.tensors("model.norm.weight", 1), float32(m.NormEps))
	head := "lm_head.weight"
	if m.Tied {
		head = "model.embed_tokens.weight"
	}
	apply(w.logits, w.tensors(head, 1), w.h)
	return w.logits
}

// apply sets y = m·x for a matrix of len(y) rows.
func apply(y, m, x []float32) {
	for i := range y {
		y[i] = kernel.Dot(row(m, i, len(x)), x)
	}
}

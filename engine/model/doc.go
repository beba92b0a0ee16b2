// Package model describes the architecture of a Llama-style language model:
// its sizes, the names and shapes of its tensors, how they are first drawn, and
// the config.json by which other programs know it. It computes no losses.
//
// [Llama] is the description; everything hangs on it: [Llama.Layout] names the
// tensors, [Llama.Init] draws them, [Llama.Config] and [ParseConfig] translate
// to and from the Hugging Face format.
//
// Semantics are those of LlamaForCausalLM in Hugging Face transformers:
// RMSNorm before each sublayer and before the head, rotary positions in the
// rotate-half form, causal attention scaled by 1/√(head dim) with grouped key
// and value heads, SwiGLU (silu(gate)·up), no biases.
//
// Shapes: matrices are [out, in], row-major. The query, key and value
// projections of a layer follow each other in the layout, as do gate and up, so
// that an engine may treat each group as one matrix.
//
// A Llama is a plain value; all functions here may be called at the same time.
package model

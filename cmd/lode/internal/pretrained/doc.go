// Package pretrained opens the parameters of a model that was trained before, by this
// program or another. It trains nothing and makes no rules.
//
// Read it in this order. [Find] says what lies at a path: a safetensors file; a folder
// with one, or with several and the index that Hugging Face gives large models; what
// lode pull or lode train left; a store, of which it is the last checkpoint. [Open] opens
// that. [Weights.Reader] reads the parameters in the order of a model's layout, and
// [Weights.Checked] does after having looked at all of them.
//
// Values are float32, or float16 and bfloat16, which are widened without loss. What
// follows from the configuration may lie there too and is left out: the frequencies of
// rotary positions, and a head that is tied to the embedding, if it is the embedding.
//
// Nothing is kept in memory but headers. A Weights may be read by several goroutines,
// until it is closed.
package pretrained

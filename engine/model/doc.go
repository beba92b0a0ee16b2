// Package model describes architectures: their sizes, the names and shapes of
// their tensors, how these are first drawn, what is computed from inputs to loss,
// and the config.json by which other programs know them. It computes no losses.
//
// [Model] is a description. [Llama] is one of language models, [MLP] and [CNN] are of
// examples such as lines of a table and pictures; each family is a file of its own. [Model.Build] tells the forward pass to a [Builder], stage by stage. An
// engine implements Builder to build what it runs; so a new family runs on every
// engine, and a new engine runs every family. [TraceOf] builds nothing and finds
// out what the description says; [Layout], [Init] and [Hidden] follow from that, and
// [Trace.Account] and [Trace.Fit] say how much memory work on a model takes and how to do
// with less. A model of a user's own has no description: it is [Outside].
// [ParseConfig] reads a config.json, for Llama that of Hugging Face.
//
// Shapes: matrices are [out, in], row-major. The weights of the parts of a
// [Linear] follow each other in the layout, so that an engine may treat them as one
// matrix.
//
// A Model is a plain value; all functions here may be called at the same time.
package model

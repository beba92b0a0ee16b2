// Package generate lets a model write: it draws one token after another from what an
// engine says comes next. It computes nothing of the model; every engine that is an
// engine.Predictor can write, and one that is an engine.Continuer need not read a text
// again for each token.
//
// [Text] writes, [Sampling] says how tokens are drawn. Equal seeds draw equal tokens
// from equal logits; those of different engines differ in their last digits.
package generate

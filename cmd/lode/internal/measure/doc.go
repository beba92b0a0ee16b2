// Package measure measures training and the arithmetic of updates and merges on
// this machine: tokens a second against what the processor could do at most, rates
// against a copy of the same data in the same process, and the bits of real
// pseudo-gradients. The commands `lode bench engine`, `lode bench gradient` and
// `lode bench merge` print what it finds, and its benchmarks time the same work.
//
// [Engine] measures how an engine trains one of the models of [Sizes]. [Trained]
// trains the default model for some rounds and returns what a worker would
// compress. [Gradient] and [Merge] do the measuring. Rates are medians of several
// runs; on a shared machine only ratios within one result mean anything.
package measure

// Package measure measures the arithmetic of updates and merges on this machine:
// rates against a copy of the same data in the same process, and the bits of real
// pseudo-gradients. The commands `lode bench gradient` and `lode bench merge` print
// what it finds, and its benchmarks time the same work.
//
// [Trained] trains the default model for some rounds and returns what a worker
// would compress. [Gradient] and [Merge] do the measuring. Rates are medians of
// several runs; on a shared machine only ratios within one result mean anything.
package measure

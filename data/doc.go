// Package data cuts a corpus into pieces that are named by their digests, and
// says, as a function of public values, which pieces each worker trains on in
// a round and from where evaluation batches are drawn. It does not train, does
// not talk to the network and keeps no training policy: sizes come from the
// run's manifest, seeds from the round.
//
// Read it in this order. A [Corpus] is text on this machine: one file, a folder
// or, by default, the sources of the Go standard library. An [Index] names the
// pieces of a corpus; its digest stands in the manifest. A [Source] hands out
// pieces by number: [Local] from a corpus on this machine, [Cached] from
// whoever has them, checked against the index; [Joined] reads them as one. What is no
// corpus may travel in pieces too. A [Plan] divides the pieces into
// training and held-out ones and gives each worker its [Duty]; a [Batch] is
// what a model is trained or evaluated on. [Own] is data that one worker has to
// itself, cut into samples.
//
// # Units and shapes
//
// An Index counts bytes, a Plan and its spans count tokens. A token is 1, 2 or 4
// bytes wide, little endian, the same in a whole corpus; as text is, with bytes
// for tokens, the width is 1. All pieces of a corpus have the same length, a whole
// number of tokens; a remainder at the end that is shorter than a piece is not
// used. A corpus of records, which are examples and no text, is the same with a
// record for each token; the last of a span is not used then. In a batch of R rows and T
// steps, Inputs and Targets have length R·T, row after row; Targets are Inputs
// one token later. W workers share a round; each trains H batches.
//
// # Ownership and concurrency
//
// A piece returned by a Source belongs to the Source and must not be changed. A
// Batch belongs to the caller. Corpus, Index, Local, Cached and Plan may be used
// by many goroutines at once; nobody may change an Index.
package data

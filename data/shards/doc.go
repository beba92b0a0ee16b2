// Package shards keeps corpora as tokens on disk: it turns documents into files of
// tokens with an index, and opens such a folder in no time whatever its size. It
// does not read documents or know tokenizers itself: packages documents and
// tokenizer do.
//
// Read it in this order. [Prepare] turns the documents of a [Job] into a folder;
// a [Description] says what is in one; [Open] makes a [Folder] of it, which hands
// out pieces as a [data.Source]; its Check reads all of them.
//
// # The folder
//
//	lode-data.json     the description, written last
//	index              the index, as package data encodes it
//	tokens-00000.bin   tokens, Width bytes each, little endian; all files but the
//	                   last have the same length, a whole number of pieces
//	tokenizer.json     the tokenizer's file, unless tokens are bytes
//	prepare.json       how far preparing is, and of what
//
// The description names the index by its digest, the index every piece by its own:
// who knows one digest can check everything. Between two documents stand the
// tokens that the tokenizer puts there.
//
// # Order of writes and what survives a crash
//
// Tokens and digests grow; now and then both are synced, then prepare.json is
// replaced, which says how much of them counts. A crash or Ctrl-C loses what came
// after; the same Prepare goes on from there and makes the same bytes, with any
// number of cores. Nothing that changes between two machines is in the bytes: the
// same documents, tokenizer and sizes give the same folder, prepare.json apart.
//
// # Ownership and concurrency
//
// A piece belongs to who asked for it. A Folder may be used by many goroutines at
// once until it is closed. Files are mapped into memory; one that shrinks while it
// is in use is an error, not a crash.
package shards

// Package column carries columns of bytes in standard zstd frames, strictly: it
// is how updates and merged steps travel. It knows nothing of what the bytes
// mean and decides nothing about it.
//
// [Pack] puts columns behind one another, a [Packer] again and again in the same
// memory; [Unpack] takes them apart again, given for each the [Range] its length must
// lie in, and [MaxLen] bounds the packed length. [AppendGaps] and [ReadGaps] are the byte code for ascending positions
// inside a chunk.
//
// # Layout
//
//	for each column   length of its frame, as a minimal unsigned varint
//	for each column   its frame
//
// An empty column has an empty frame of length 0. Any other is one zstd frame
// (RFC 8878) that states its content size, uses no dictionary, has no window wider
// than the longest column (or 1 KiB, if that is more), and ends with its last
// block: no skippable frame, no second frame, no byte after it. Literals
// are always entropy-coded; without that option positions, which never repeat,
// would travel as they are. Short columns have code lengths that suit the table that
// tells them. Several compressors give several packed forms of the
// same columns, so the packed form is never digested.
//
// # Gap bytes
//
// A position follows its predecessor at a distance of 1 + gap, the first follows
// -1. A gap is written as gap/255 bytes of 255, which add 255 each, then the
// byte gap%255: one form per gap.
//
// # Bounds
//
// Unpack allocates nothing before every frame's declared content size lies in
// its range, and never more than those sizes; it copies nothing out of src.
// Columns returned are the caller's. All functions may be called at the same
// time, but those of a Packer.
package column

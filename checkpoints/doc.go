// Package checkpoints keeps models and payloads on disks and object stores, so
// that anyone can fetch and verify them. It does not decide when a checkpoint is
// due, which keys are to be believed, or what the state root covers.
//
// Read it in this order. [Store] is a place for named objects; [Open] makes one
// from an address: a directory ([Dir]), s3://bucket/prefix ([S3]) or, to read
// only, https://host/path. [Draft] is what [Write] makes into a checkpoint; its
// [Manifest] names the files with their digests and is signed. [Latest], [At] and
// [List] find checkpoints, [Remove] gives an old one up, [Pull] brings one to this
// machine and [OpenModel] reads it. [Blobs] is a node's store of payloads by digest, filled by uploads
// that may be cut and go on. Package safetensors below is the file format.
//
// Format number: 1 ([Format]), for the manifest and the folders around it.
//
//	LATEST                               run id in hex: the run written last
//	<run>/LATEST                         the round written last, eight digits
//	<run>/<round, 8 digits>/
//	    model.safetensors                parameters, float32, in layout order
//	    config.json                      architecture, as given
//	    state.safetensors                integer state, int64, if any
//	    …                                further files, as given
//	    manifest.json                    canonical JSON, see [Manifest.Encode]
//
// # Order of writes and what survives a crash
//
// [Dir]: content to .tmp, sync, rename or link, sync of the directory. A crash
// leaves the old object or the new one.
//
// [Write]: files, manifest, pointers. Before the manifest: unnamed files, which
// the next Write of the round replaces. After it: a whole checkpoint; the next
// Write of the round mends the pointers. Two processes must not write one round
// at the same time; the manifest of the first would stand over files of both.
//
// [Remove]: the manifest goes first, so a crash leaves unnamed files at worst.
//
// [Pull]: another checkpoint's manifest is removed, each file grows as NAME.part,
// is synced, verified and renamed; the manifest comes last. A crash leaves what
// the same call continues.
//
// [Blobs]: bytes to DIGEST.part, then verified, synced and renamed to DIGEST. A
// crash loses at most bytes that were not acknowledged as a whole payload.
//
// # What is trusted
//
// A store is not: it may lose, change or hold back. Digests find changes;
// signatures by trusted keys find forgeries; a rollback of the unsigned pointers
// to an older, signed checkpoint is found only by who knows a newer round.
//
// # Units, ownership, concurrency
//
// Sizes and offsets are bytes, rounds count from 0, shapes are those of package
// tensor: D parameters in L tensors. No function keeps a whole model in memory:
// writing holds a chunk, uploading to S3 four parts of 16 MiB. Slices handed in
// are not kept after a call; those in a returned Manifest must not be written to.
// Stores and Blobs may be used by many goroutines, a Draft or a Model by one.
package checkpoints

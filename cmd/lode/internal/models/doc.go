// Package models gets models onto this machine and puts them to use: it pulls a
// checkpoint from a store or from a live run, loads it, lets it write text and
// measures it on held-out text. It trains nothing and prints nothing.
//
// Read it in this order: [Observe] connects to a run as a mere observer and
// hands out its record; [Pull] brings a checkpoint into a folder; [Load] opens
// that folder, a whole store, or a checkpoint that other programs wrote;
// [Generate] and [Evaluate] use what was loaded.
//
// # What a pull has checked
//
// Always: every file against its digest in the manifest, and the parameters
// against the manifest's model root. From a link, besides: the run's record from
// its first entry on (hash chain, signatures, rules), that it names exactly this
// manifest, that the coordinator of the link signed it, and that model and state
// are those of the receipt of the round before. From a store beside which a [Witness]
// lies, the same, with the coordinator that the run's manifest names. From any other
// store: the signatures of the keys that were named as trusted; without any, only
// that the checkpoint is consistent with itself. [Result] says which it was.
//
// # Units, ownership, concurrency
//
// Sizes are bytes, losses nats. Text is as the tokenizer.json beside a model says;
// without one, each byte is a token, of 256. A [Loaded] belongs to one goroutine at a time; Close it after use.
// Callbacks are called on the caller's goroutine.
package models

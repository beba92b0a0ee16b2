// Package corpora opens what a user names as data: text on this machine in any
// format, data that was prepared, or an address in the network; with bytes or with
// a tokenizer's file. It keeps in a cache what took time: indexes of large texts,
// prepared data, what was fetched. It trains nothing and prints nothing itself.
//
// Read it in this order. [Open] makes a [Corpus] of a [Want]; [Tokenizer] reads a
// tokenizer's file; [Bring] fetches an address into the cache.
package corpora

// Package ask is what people ask a ledger without holding it: records of the state
// with proofs, lists of records that leave nothing out, blocks. It is bytes in and
// bytes out; who carries them, and where blocks are kept, is not its business.
//
// Read it in this order: a [Client] asks and checks; a [State] is what was shown of
// one state; [Answer] is the other side, which may [Look] at a [ledger.Machine] and
// has an [Archive]; [Client.CatchUp] takes a ledger over whole; [Key], [ParseKey] and [Text] name records.
//
// # What is shown, and what is said
//
// A record comes with a proof that it is, or is not, in the state with the root of
// the answer, and so does the network's own record, which has height, parameters and
// totals. A list comes with the proof that nothing is missing from it. Both hold for
// the root alone: that this root is the ledger's is the server's word, unless
// [Client].Root names one that is known from elsewhere, such as a block's header. While a
// block is open its root is in no header: [Client.CatchUp] takes the state before it. Blocks are shown to follow each other and, where the newest is among them,
// to end in the block that the state names. Events are not shown: who wants to know
// what a block did executes it.
//
// # Bytes
//
// Questions are canonical CBOR (docs/state-proof.md has the rules), at most 64 KiB:
//
//	[version 1, kind, body]
//
//	kind       body                    answer
//	1 records  [[key, …]]              [root, [proof, …]]: of the network, then of each key
//	2 span     [prefix, from, most]    [root, proof of the network, span]
//	3 blocks   [from, most]            for each block its length as uint32,
//	                                   little-endian, and its encoding
//	4 state    [most, offset]          [height, size, part]: of the newest snapshot
//	                                   that is not above a height; size 0 if there
//	                                   is none
//
// Keys and prefixes are byte strings, at most 64 of at most 128 bytes; most is at
// least 1. Fewer records or blocks may come than were asked for, but one if there is
// one. An answer is at most 1 MiB and 64 bytes. What cannot be answered is a
// [protocol.Refusal]: Malformed, TooLarge, or NotFound where no blocks are kept.
//
// # Ownership and concurrency
//
// Answer may be called by many goroutines if its Look and Archive may; a Client may be used
// by many if its function may. What comes back is the caller's.
package ask

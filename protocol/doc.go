// Package protocol holds the words every node of a run shares: identities,
// digests, signed messages, the entries of the record, the manifest of a run and
// the one encoding of each. It opens no connection, reads no clock and decides
// nothing.
//
// Read it in this order. [Digest], [RunID], [NodeID], [Round] and [Instant] are
// the small comparable values. [Manifest] is what all participants of a run must
// agree on; its digest is the [RunID]. A member speaks in a [Message]: an
// envelope that binds a [Body] to version, run, round and sender under one
// Ed25519 signature. What happened, in order, is the record: a hash chain of
// [Entry] values, each holding one [Event] and signed by the coordinator that
// ordered it. [Refusal] is a numbered reason for saying no. [Link] is how a run
// is handed from person to person.
//
// # Encoding
//
// Every value has one encoding: CBOR (RFC 8949) under its core deterministic
// rules, structs as arrays in field order. [Decode] refuses bytes that do not
// encode back to themselves, that nest deeper or hold longer lists than any
// message needs, or that carry trailing bytes. Digests are SHA-256 over a domain
// string and length-prefixed parts ([Hash]).
//
// # Units
//
// Instants and spans are nanoseconds, instants since the Unix epoch. Losses and
// scores on the record are integers in nano-nats ([NanoNats]). Factors are
// fixed-point: Q16 means a value times 65,536, Q32 times 2^32. Stakes and
// amounts are in units of 1e-9 of a coin.
//
// # Numbers that never change
//
// Kinds of messages and events, roles and reasons are append-only: a number
// keeps its meaning for ever and is never used again.
//
// Everything here may be used by many goroutines at once; nothing keeps a
// caller's slice except where a decoded value aliases the bytes it came from.
package protocol

// Package transport is the wire between the nodes of a run: QUIC with mutual
// TLS pinned to Ed25519 keys, one connection per node, one stream per request.
// It knows who is on the other side and that bytes arrive whole; it does not
// know what they mean, keeps nothing on disk, decides no membership and does not
// log.
//
// Read it in this order. [Listen] gives a [Server], whose Serve answers peers
// with a [Handler]. [Dial] gives a [Client], one connection; a [Session] keeps a
// Client alive across restarts of the server and repeats what was lost. [Hello]
// and [Welcome] open every connection. [Options] are a node's own choices.
//
// Only the server listens. Nodes dial out, so they need no open port, and the
// server opens no stream.
//
// # Bytes
//
// Integers in heads are little-endian; bodies are canonical CBOR as
// [protocol.Encode] writes it, structs as arrays. A request is a bidirectional
// stream that begins with
//
//	1 byte   kind
//	3 bytes  zero
//	4 bytes  length of the body
//	body
//
// and is closed for writing after its last byte; bytes after that are refused.
// An answer begins with
//
//	2 bytes  reason, 0 is fine
//	2 bytes  zero
//	4 bytes  length of the body
//	body     of a refusal: at most 1,024 bytes of UTF-8 for people
//
//	kind      body                  answer
//	1 hello   Hello, ≤ 512          Welcome, ≤ 1 MiB; first stream only
//	2 submit  the message, ≤ 1 MiB  empty
//	3 follow  [from]                entries: 4 bytes length, then the entry of
//	                                1 to 1 MiB bytes; a length of 0 ends them and
//	                                is followed by an answer
//	4 put     [digest, size]        [offset]; the client sends size − offset
//	                                bytes; then an answer [offset kept]
//	5 get     [digest, offset]      [size], then size − offset bytes
//	6 status  empty                 JSON, ≤ 1 MiB
//	7 ask     question, ≤ 64 KiB    answer, ≤ 1 MiB and 64 bytes
//
// A refused hello, and every connection the server ends, closes the connection
// with the reason's number as QUIC application error and the detail as its
// phrase; 0x10000 means replaced by a newer connection of the same key, 0x10001
// that the server stops. A stream that is cut after content began is reset with
// the reason's number. These three, the ALPN prefix "lode/" and the two heads
// stay as they are in every version, so that versions can refuse each other in
// words.
//
// # Trust
//
// Certificates are self-signed and carry nothing but the key; names and dates
// mean nothing. Until its Hello is accepted a peer is a stranger: it gets one
// stream, a first window of 192 KiB and the time of Options.Handshake.
// Connections are limited per address, per key and in all; when strangers crowd,
// addresses are validated first. Lengths are checked before they are believed,
// and memory grows only with bytes that have arrived.
//
// Messages and questions are counted before a [Handler] sees them: together 32 a second of one key and
// 512 from one address, each with what was left unused for 8 s saved up. Of
// payloads, 8 are read at once by one key, 128 from one address and 1,024 in all;
// more wait half of Options.StallWindow, and whoever reads least is next. Above
// these the answer is Busy, which a [Session] takes as a request to wait.
//
// A transfer that moves is kept until Options.MaxTransfer, one that stalls is cut
// with the reason Unavailable: see Options.MinRate. Only time spent waiting for
// the other side counts.
//
// # Restarts
//
// A server's reset key and address tokens are derived from its node key, so a
// client whose server was killed and started again learns so with its next
// packet, at most Options.KeepAlive later; if the server stays away, after
// Options.Idle.
//
// # Units, ownership, concurrency
//
// Sizes and offsets are bytes, rates bytes per second. A message given to a
// Handler and an entry given to Follow's callback are the receiver's to keep;
// what is passed in is not kept after the call. Methods of Client, Session and
// Server may be called by many goroutines at once, except Serve, which is called
// once.
package transport

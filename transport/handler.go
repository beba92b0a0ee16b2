package transport

// This file holds what a server asks of the program behind it.

import (
	"context"
	"io"

	"lode/protocol"
)

// Handler is everything a server can be asked for. Its methods are called by
// many goroutines at once; ctx ends with the request or its connection, and a
// method must return soon after. An error that is no [protocol.Refusal] reaches
// the peer as Internal, without its text.
type Handler interface {
	Door
	Inbox
	Record
	Intake
	Shelf
	Teller
}

// Door decides who may connect.
//
// Calls for one peer never overlap. A peer is connected from a Hello that
// returned no error until Gone, which is called exactly once, after every other
// call for the peer has returned. A second accepted Hello with no Gone between
// means that a newer connection of the same key replaced the older one: its
// requests begin after those of the older one have returned.
type Door interface {
	Hello(ctx context.Context, peer protocol.NodeID, h Hello) (Welcome, error)
	Gone(peer protocol.NodeID)
	// Member tells whether a connected peer takes part in the run. Others have
	// half of the payloads that are read at once.
	Member(ctx context.Context, peer protocol.NodeID) bool
}

// Inbox takes one signed message, still encoded, which it may keep.
type Inbox interface {
	Submit(ctx context.Context, peer protocol.NodeID, message []byte) error
}

// Record sends the encoded entries of the record from an index on, for as long
// as ctx lives. send blocks while the peer does not keep up and does not keep
// the entry.
type Record interface {
	Follow(ctx context.Context, peer protocol.NodeID, from uint64, send func(entry []byte) error) error
}

// Intake stores payloads. PutOffset says how many bytes of a payload are here
// already, or refuses it; unless that is all of a payload that is not empty, Put
// follows. Put appends what r holds, at most size - offset bytes,
// and returns how many bytes of the payload are now kept; it keeps what arrived
// even if r fails, and refuses a complete payload with another digest.
type Intake interface {
	PutOffset(ctx context.Context, peer protocol.NodeID, digest protocol.Digest, size int64) (offset int64, err error)
	Put(ctx context.Context, peer protocol.NodeID, digest protocol.Digest, size, offset int64, r io.Reader) (newOffset int64, err error)
}

// Shelf opens a stored payload and says its size.
type Shelf interface {
	Open(ctx context.Context, peer protocol.NodeID, digest protocol.Digest) (io.ReadSeekCloser, int64, error)
}

// Asker answers questions whose meaning the transport does not know, at most
// MaxAnswerLen bytes. A [Handler] may be one; one that is none answers NotFound.
type Asker interface {
	Ask(ctx context.Context, peer protocol.NodeID, question []byte) ([]byte, error)
}

// Teller says how things stand, in JSON for people, at most MaxStatusLen bytes.
type Teller interface {
	Status(ctx context.Context, peer protocol.NodeID) ([]byte, error)
}

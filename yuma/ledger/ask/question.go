package ask

// This file holds questions as bytes.

import (
	"lode/protocol"
)

const version = 1

// Bounds.
const (
	MaxQuestion = 64 << 10                    // bytes
	MaxAnswer   = protocol.MaxMessageLen + 64 // bytes: the longest block and its length fit
	MaxKeys     = 64                          // of one question
	maxKeyLen   = 128                         // bytes; the longest key of a record has 73

	spanBytes  = 512 << 10 // keys and values of one answer
	maxBlocks  = 256       // of one answer
	blocksRead = 8         // at once, so that an answer of 1 MiB does not load hundreds
	partBytes  = 512 << 10 // of a snapshot in one answer
)

// kind numbers what is asked. The numbers never change.
type kind uint8

const (
	kindRecords kind = 1
	kindSpan    kind = 2
	kindBlocks  kind = 3
	kindState   kind = 4
)

// question is what is sent; body is the encoding of one of those below.
type question struct {
	_       struct{} `cbor:",toarray"`
	Version uint16
	Kind    kind
	Body    []byte
}

type recordsBody struct {
	_    struct{} `cbor:",toarray"`
	Keys [][]byte
}

type spanBody struct {
	_            struct{} `cbor:",toarray"`
	Prefix, From []byte
	Most         uint32
}

type blocksBody struct {
	_    struct{} `cbor:",toarray"`
	From uint64
	Most uint32
}

type stateBody struct {
	_            struct{} `cbor:",toarray"`
	Most, Offset uint64
}

func encode(k kind, body any) []byte {
	return protocol.Encode(question{Version: version, Kind: k, Body: protocol.Encode(body)})
}

func malformed(format string, args ...any) error {
	return protocol.Refuse(protocol.Malformed, format, args...)
}

// open reads the envelope of a question.
func open(data []byte) (q question, err error) {
	if len(data) > MaxQuestion {
		return q, protocol.Refuse(protocol.TooLarge, "a question of %d bytes, at most %d are allowed", len(data), MaxQuestion)
	}
	if err := protocol.Decode(data, &q); err != nil {
		return q, malformed("question: %v", err)
	}
	if q.Version != version {
		return q, protocol.Refuse(protocol.WrongVersion, "a question of version %d, this is %d", q.Version, version)
	}
	return q, nil
}

// read reads a question's body.
func read[T any](q question) (v T, err error) {
	if err := protocol.Decode(q.Body, &v); err != nil {
		return v, malformed("question of kind %d: %v", q.Kind, err)
	}
	return v, nil
}

package ask

// This file holds the side that has the ledger.

import (
	"encoding/binary"

	"lode/protocol"
	"lode/yuma/ledger"
	"lode/yuma/ledger/tree"
)

// Archive is where blocks and snapshots are kept.
type Archive interface {
	// Blocks returns the encodings of the blocks from a height on, in order, at most so
	// many, none if there are none.
	Blocks(from uint64, most int) ([][]byte, error)
	// StatePart returns at most n bytes, from an offset on, of the newest snapshot that
	// is not above a height, with its height and size; size 0 if there is none.
	StatePart(most, offset uint64, n int) (height, size uint64, part []byte, err error)
}

type stateAnswer struct {
	_            struct{} `cbor:",toarray"`
	Height, Size uint64
	Part         []byte
}

type recordsAnswer struct {
	_      struct{} `cbor:",toarray"`
	Root   protocol.Digest
	Proofs []tree.Proof // of the network, then of each key
}

type spanAnswer struct {
	_       struct{} `cbor:",toarray"`
	Root    protocol.Digest
	Network tree.Proof
	Span    tree.Span
}

// Look calls use with a ledger that nobody moves meanwhile.
type Look func(use func(*ledger.Machine)) error

// Of looks at a ledger that nobody else uses.
func Of(m *ledger.Machine) Look {
	return func(use func(*ledger.Machine)) error {
		use(m)
		return nil
	}
}

// Answer answers a question from the state as it is and from the archive; nil keeps
// nothing. Its cost is bounded, whatever is asked. The archive is read without a look, so
// a slow disk holds nobody up.
func Answer(look Look, b Archive, data []byte) ([]byte, error) {
	q, err := open(data)
	if err != nil {
		return nil, err
	}
	var a []byte
	switch q.Kind {
	case kindRecords:
		a, err = answerRecords(look, q)
	case kindSpan:
		a, err = answerSpan(look, q)
	case kindBlocks:
		a, err = answerBlocks(b, q)
	case kindState:
		a, err = answerState(b, q)
	default:
		err = malformed("no question has the number %d", q.Kind)
	}
	if err == nil && len(a) > MaxAnswer {
		err = protocol.Refuse(protocol.TooLarge, "the answer has %d bytes: ask for less at once", len(a))
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

func answerRecords(look Look, q question) ([]byte, error) {
	body, err := read[recordsBody](q)
	if err != nil {
		return nil, err
	}
	if len(body.Keys) > MaxKeys {
		return nil, malformed("%d keys, at most %d are allowed", len(body.Keys), MaxKeys)
	}
	for _, k := range body.Keys {
		if len(k) == 0 || len(k) > maxKeyLen {
			return nil, malformed("a key of %d bytes", len(k))
		}
	}
	var a recordsAnswer
	err = look(func(m *ledger.Machine) {
		a = recordsAnswer{Root: m.Root(), Proofs: []tree.Proof{m.Prove(networkKey)}}
		for _, k := range body.Keys {
			a.Proofs = append(a.Proofs, m.Prove(string(k)))
		}
	})
	if err != nil {
		return nil, err
	}
	return protocol.Encode(a), nil
}

func answerSpan(look Look, q question) ([]byte, error) {
	body, err := read[spanBody](q)
	if err != nil {
		return nil, err
	}
	if len(body.Prefix) > maxKeyLen || len(body.From) > maxKeyLen || body.Most == 0 {
		return nil, malformed("%d records with a prefix of %d bytes, from a key of %d", body.Most, len(body.Prefix), len(body.From))
	}
	var a spanAnswer
	err = look(func(m *ledger.Machine) {
		a = spanAnswer{
			Root: m.Root(), Network: m.Prove(networkKey),
			Span: m.ProveSpan(string(body.Prefix), string(body.From), int(min(body.Most, tree.MaxSpan)), spanBytes),
		}
	})
	if err != nil {
		return nil, err
	}
	return protocol.Encode(a), nil
}

func answerState(b Archive, q question) ([]byte, error) {
	body, err := read[stateBody](q)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, protocol.Refuse(protocol.NotFound, "no snapshots are kept here")
	}
	var a stateAnswer
	if a.Height, a.Size, a.Part, err = b.StatePart(body.Most, body.Offset, partBytes); err != nil {
		return nil, err
	}
	return protocol.Encode(a), nil
}

func answerBlocks(b Archive, q question) ([]byte, error) {
	body, err := read[blocksBody](q)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, protocol.Refuse(protocol.NotFound, "no blocks are kept here")
	}
	if body.Most == 0 || body.From == 0 {
		return nil, malformed("%d blocks are asked for, from %d on; the first has height 1", body.Most, body.From)
	}
	a := []byte{}
	left := int(min(body.Most, maxBlocks))
	for from := body.From; left > 0; {
		some, err := b.Blocks(from, min(left, blocksRead))
		if err != nil {
			return nil, err
		}
		for _, block := range some {
			if len(a)+4+len(block) > MaxAnswer {
				return a, nil
			}
			a = append(binary.LittleEndian.AppendUint32(a, uint32(len(block))), block...)
		}
		if len(some) < min(left, blocksRead) {
			break
		}
		left -= len(some)
		from += uint64(len(some))
	}
	return a, nil
}

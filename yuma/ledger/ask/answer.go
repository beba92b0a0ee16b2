package ask

// This file holds the side that has the ledger.

import (
	"encoding/binary"

	"lode/protocol"
	"lode/yuma/ledger"
	"lode/yuma/ledger/tree"
)

// Blocks is where blocks are kept: it returns those from a height on, in order, at most
// so many, none if there are none.
type Blocks interface {
	Blocks(from uint64, most int) ([]ledger.Block, error)
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

// Answer answers a question from the state as it is and from the blocks kept; nil keeps
// none. Its cost is bounded, whatever is asked.
func Answer(m *ledger.Machine, b Blocks, data []byte) ([]byte, error) {
	q, err := open(data)
	if err != nil {
		return nil, err
	}
	var a []byte
	switch q.Kind {
	case kindRecords:
		a, err = answerRecords(m, q)
	case kindSpan:
		a, err = answerSpan(m, q)
	case kindBlocks:
		a, err = answerBlocks(b, q)
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

func answerRecords(m *ledger.Machine, q question) ([]byte, error) {
	body, err := read[recordsBody](q)
	if err != nil {
		return nil, err
	}
	if len(body.Keys) > MaxKeys {
		return nil, malformed("%d keys, at most %d are allowed", len(body.Keys), MaxKeys)
	}
	a := recordsAnswer{Root: m.Root(), Proofs: []tree.Proof{m.Prove(networkKey)}}
	for _, k := range body.Keys {
		if len(k) == 0 || len(k) > maxKeyLen {
			return nil, malformed("a key of %d bytes", len(k))
		}
		a.Proofs = append(a.Proofs, m.Prove(string(k)))
	}
	return protocol.Encode(a), nil
}

func answerSpan(m *ledger.Machine, q question) ([]byte, error) {
	body, err := read[spanBody](q)
	if err != nil {
		return nil, err
	}
	if len(body.Prefix) > maxKeyLen || len(body.From) > maxKeyLen || body.Most == 0 {
		return nil, malformed("%d records with a prefix of %d bytes, from a key of %d", body.Most, len(body.Prefix), len(body.From))
	}
	return protocol.Encode(spanAnswer{
		Root: m.Root(), Network: m.Prove(networkKey),
		Span: m.ProveSpan(string(body.Prefix), string(body.From), int(min(body.Most, tree.MaxSpan)), spanBytes),
	}), nil
}

func answerBlocks(b Blocks, q question) ([]byte, error) {
	body, err := read[blocksBody](q)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, protocol.Refuse(protocol.NotFound, "no blocks are kept here")
	}
	if body.Most == 0 {
		return nil, malformed("no blocks are asked for")
	}
	a := []byte{}
	left := int(min(body.Most, maxBlocks))
	for from := body.From; left > 0; {
		some, err := b.Blocks(from, min(left, blocksRead))
		if err != nil {
			return nil, err
		}
		for _, block := range some {
			enc := protocol.Encode(block)
			if len(a)+4+len(enc) > MaxAnswer {
				return a, nil
			}
			a = append(binary.LittleEndian.AppendUint32(a, uint32(len(enc))), enc...)
		}
		if len(some) < min(left, blocksRead) {
			break
		}
		left -= len(some)
		from += uint64(len(some))
	}
	return a, nil
}

package protocol

// This file holds the record: the hash chain of what happened, in order.

import (
	"crypto/ed25519"
	"fmt"
)

// Event is what can happen to a run. It is one of [Genesis], [Resumed], [Tick],
// [Present], [Absent], [Published], a member's [Message] or anybody's [Transaction].
type Event interface{ event() }

// Genesis is the first event of every record.
type Genesis struct {
	_   struct{} `cbor:",toarray"`
	Run RunID
}

// Resumed says that nobody ordered events for a while: deadlines shift by it.
type Resumed struct {
	_      struct{} `cbor:",toarray"`
	Outage Span
}

// Tick says that time passed: the instant of its entry is at or after the
// deadline the round machine asked for.
type Tick struct {
	_ struct{} `cbor:",toarray"`
}

// Present says that a member's connection came up.
type Present struct {
	_    struct{} `cbor:",toarray"`
	Node NodeID
}

// Absent says that a member's connection is gone.
type Absent struct {
	_    struct{} `cbor:",toarray"`
	Node NodeID
}

// Published says that a checkpoint of the state before Round is in the store.
type Published struct {
	_        struct{} `cbor:",toarray"`
	Round    Round
	Manifest Digest
}

// Transaction moves the run's ledger: what package chain encodes, and checks.
type Transaction struct {
	_  struct{} `cbor:",toarray"`
	Tx []byte
}

func (Genesis) event()     {}
func (Resumed) event()     {}
func (Tick) event()        {}
func (Present) event()     {}
func (Absent) event()      {}
func (Published) event()   {}
func (Message) event()     {}
func (Transaction) event() {}

// Kinds of events in the record. The numbers never change.
const (
	kindGenesis     Kind = 64
	kindResumed     Kind = 65
	kindTick        Kind = 66
	kindPresent     Kind = 67
	kindAbsent      Kind = 68
	kindPublished   Kind = 69
	kindMessage     Kind = 70
	kindTransaction Kind = 71
)

func kindOf(ev Event) Kind {
	switch ev.(type) {
	case Genesis:
		return kindGenesis
	case Resumed:
		return kindResumed
	case Tick:
		return kindTick
	case Present:
		return kindPresent
	case Absent:
		return kindAbsent
	case Published:
		return kindPublished
	case Message:
		return kindMessage
	case Transaction:
		return kindTransaction
	}
	panic(fmt.Sprintf("protocol: no event kind for %T", ev))
}

// Entry is one link of the record.
type Entry struct {
	_       struct{} `cbor:",toarray"`
	Version uint16
	Index   uint64 // 0 is Genesis
	Parent  Digest // of the entry before; zero for entry 0
	Now     Instant
	Type    Kind
	Body    []byte // canonical encoding of the event
	Sig     Signature
}

// Log folds one more event into the digest of everything that came before it: what
// a machine that was fed (now, ev) after log has seen.
func Log(log Digest, now Instant, ev Event) Digest {
	return Hash("log", log[:], Encode(now), []byte{byte(kindOf(ev))}, Encode(ev))
}

// Chain appends entries: it knows the last one. The zero Chain, with its Run and
// Coordinator set, is before entry 0.
type Chain struct {
	Run         RunID
	Coordinator NodeID
	Next        uint64 // index of the entry to come
	Head        Digest // of the last entry
	Now         Instant
}

// Append returns the entry that records ev at now, signed by key, and moves the
// chain on.
func (c *Chain) Append(key ed25519.PrivateKey, now Instant, ev Event) Entry {
	e := Entry{Version: Version, Index: c.Next, Parent: c.Head, Now: max(now, c.Now), Type: kindOf(ev), Body: Encode(ev)}
	d := e.digest(c.Run)
	copy(e.Sig[:], ed25519.Sign(key, d[:]))
	c.Next, c.Head, c.Now = e.Index+1, d, e.Now
	return e
}

// Accept checks that e follows in the chain and returns its event. On an error
// the chain has not moved.
func (c *Chain) Accept(e Entry) (Event, error) {
	switch {
	case e.Version != Version:
		return nil, Refuse(WrongVersion, "record entry %d says version %d, this is version %d", e.Index, e.Version, Version)
	case e.Index != c.Next:
		return nil, fmt.Errorf("record: entry %d arrived, %d was due", e.Index, c.Next)
	case e.Parent != c.Head:
		return nil, fmt.Errorf("record: entry %d does not continue entry %d: the record was forked", e.Index, int64(c.Next)-1)
	case e.Now < c.Now:
		return nil, fmt.Errorf("record: entry %d goes back in time", e.Index)
	}
	d := e.digest(c.Run)
	if !ed25519.Verify(c.Coordinator[:], d[:], e.Sig[:]) {
		return nil, Refuse(BadSignature, "record entry %d is not signed by the coordinator", e.Index)
	}
	ev, err := decodeEvent(e.Type, e.Body)
	if err != nil {
		return nil, fmt.Errorf("record: entry %d: %w", e.Index, err)
	}
	c.Next, c.Head, c.Now = e.Index+1, d, e.Now
	return ev, nil
}

func (e Entry) digest(run RunID) Digest {
	e.Sig = Signature{}
	return Hash("record entry", run[:], Encode(e))
}

func decodeEvent(kind Kind, b []byte) (Event, error) {
	switch kind {
	case kindGenesis:
		return decodeEventAs[Genesis](b)
	case kindResumed:
		return decodeEventAs[Resumed](b)
	case kindTick:
		return decodeEventAs[Tick](b)
	case kindPresent:
		return decodeEventAs[Present](b)
	case kindAbsent:
		return decodeEventAs[Absent](b)
	case kindPublished:
		return decodeEventAs[Published](b)
	case kindMessage:
		return decodeEventAs[Message](b)
	case kindTransaction:
		return decodeEventAs[Transaction](b)
	}
	return nil, fmt.Errorf("%w: no event kind %d", ErrMalformed, kind)
}

func decodeEventAs[T Event](b []byte) (Event, error) {
	var v T
	err := Decode(b, &v)
	return v, err
}

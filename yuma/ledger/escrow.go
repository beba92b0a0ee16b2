package ledger

// This file holds payments for services: coin set aside, paid out against receipts.

import (
	"crypto/ed25519"
	"fmt"

	"lode/protocol"
)

// Escrow is coin that one set aside to pay another.
type Escrow struct {
	_            struct{} `cbor:",toarray"`
	Payer, Payee Coldkey
	Amount, Paid Amount
	Expires      uint64          // height from which the payer may close it
	Terms        protocol.Digest // of what is paid for
}

var escrows = tableOf[Escrow]('e', 8) // number

// OpenEscrow sets coin of the signer aside for a payee, at least until a height.
type OpenEscrow struct {
	_       struct{} `cbor:",toarray"`
	Payee   Coldkey
	Amount  Amount
	Expires uint64
	Terms   protocol.Digest
}

// Kind implements [Body].
func (OpenEscrow) Kind() Kind { return 17 }

func (b OpenEscrow) apply(m *Machine, signer protocol.NodeID) error {
	switch {
	case b.Payee == Coldkey(signer):
		return fmt.Errorf("ledger: escrow: %w", ErrSelf)
	case b.Expires <= m.net.Height:
		return fmt.Errorf("ledger: escrow until %d: %w", b.Expires, ErrExpired)
	case b.Amount < Amount(m.net.Params.MinStake):
		return fmt.Errorf("ledger: escrow of %d: %w", b.Amount, ErrDust)
	}
	if err := m.debit(Coldkey(signer), b.Amount); err != nil {
		return fmt.Errorf("ledger: escrow: %w", err)
	}
	m.net.Escrows++
	save(&m.store, escrows.key(number(m.net.Escrows)), Escrow{
		Payer: Coldkey(signer), Payee: b.Payee, Amount: b.Amount, Expires: b.Expires, Terms: b.Terms,
	})
	m.tell(Event{What: "escrow", Cold: b.Payee, Amount: b.Amount, Number: m.net.Escrows})
	return nil
}

// Claim pays the signer, an escrow's payee, up to a total that the payer signed for.
// Only the receipt with the largest total is worth anything.
type Claim struct {
	_       struct{} `cbor:",toarray"`
	Escrow  uint64
	Total   Amount
	Receipt protocol.Signature // the payer's, of [PaymentReceipt]
}

// PaymentReceipt returns the digest that a payer signs when what it received from an
// escrow's payee comes to a total.
func PaymentReceipt(network protocol.Digest, escrow uint64, total Amount) protocol.Digest {
	return protocol.Hash("payment receipt", network[:], protocol.Encode(escrow), protocol.Encode(total))
}

// Kind implements [Body].
func (Claim) Kind() Kind { return 18 }

func (b Claim) apply(m *Machine, signer protocol.NodeID) error {
	k := escrows.key(number(b.Escrow))
	e, ok := load[Escrow](&m.store, k)
	d := PaymentReceipt(m.net.ID, b.Escrow, b.Total)
	switch {
	case !ok:
		return fmt.Errorf("ledger: escrow %d: %w", b.Escrow, ErrUnknown)
	case e.Payee != Coldkey(signer):
		return fmt.Errorf("ledger: escrow %d: %w", b.Escrow, ErrOwner)
	case b.Total <= e.Paid:
		return fmt.Errorf("ledger: escrow %d has paid %d: %w", b.Escrow, e.Paid, ErrDuplicate)
	case b.Total > e.Amount:
		return fmt.Errorf("ledger: escrow %d holds %d: %w", b.Escrow, e.Amount, ErrFunds)
	case !ed25519.Verify(e.Payer[:], d[:], b.Receipt[:]):
		return fmt.Errorf("ledger: receipt for escrow %d: %w", b.Escrow, ErrSignature)
	}
	m.credit(e.Payee, b.Total-e.Paid)
	m.tell(Event{What: "claim", Cold: e.Payee, Amount: b.Total - e.Paid, Number: b.Escrow})
	e.Paid = b.Total
	if e.Paid == e.Amount {
		m.store.remove(k)
		return nil
	}
	save(&m.store, k, e)
	return nil
}

// CloseEscrow gives the rest back to the payer: at any time if the payee signs, after
// it expired if the payer does.
type CloseEscrow struct {
	_      struct{} `cbor:",toarray"`
	Escrow uint64
}

// Kind implements [Body].
func (CloseEscrow) Kind() Kind { return 19 }

func (b CloseEscrow) apply(m *Machine, signer protocol.NodeID) error {
	k := escrows.key(number(b.Escrow))
	e, ok := load[Escrow](&m.store, k)
	switch by := Coldkey(signer); {
	case !ok:
		return fmt.Errorf("ledger: escrow %d: %w", b.Escrow, ErrUnknown)
	case by != e.Payee && by != e.Payer:
		return fmt.Errorf("ledger: escrow %d: %w", b.Escrow, ErrOwner)
	case by == e.Payer && m.net.Height < e.Expires:
		return fmt.Errorf("ledger: escrow %d until %d: %w", b.Escrow, e.Expires, ErrEarly)
	}
	m.credit(e.Payer, e.Amount-e.Paid)
	m.store.remove(k)
	m.tell(Event{What: "escrow closed", Cold: e.Payer, Amount: e.Amount - e.Paid, Number: b.Escrow})
	return nil
}

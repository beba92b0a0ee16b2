package ledger

// This file holds the reasons for a refusal.

import "errors"

// Reasons why a transaction, a block or a state was refused; what comes back wraps
// one of them, or one of package economy's, and names the subject. After a refusal
// nothing has changed.
var (
	ErrMalformed = errors.New("malformed")
	ErrSignature = errors.New("wrong signature")
	ErrNetwork   = errors.New("for another network")
	ErrNonce     = errors.New("not the signer's next number")
	ErrExpired   = errors.New("no longer valid")
	ErrFunds     = errors.New("not enough there")
	ErrDust      = errors.New("would leave too little to be kept")
	ErrOverflow  = errors.New("number too large")
	ErrPrice     = errors.New("worse than the limit set")
	ErrUnknown   = errors.New("not there")
	ErrDuplicate = errors.New("there already")
	ErrSelf      = errors.New("with oneself")
	ErrOwner     = errors.New("somebody else's")
	ErrEarly     = errors.New("too early")
	ErrFull      = errors.New("no room")
	ErrBusy      = errors.New("the block is full")
	ErrRange     = errors.New("out of range")
	ErrClosed    = errors.New("closed")
	ErrEvidence  = errors.New("no offence")
	ErrBlock     = errors.New("not the next block")
	ErrState     = errors.New("not a state")
	// ErrImbalance says that a transaction would have made or lost money: a fault
	// of this package.
	ErrImbalance = errors.New("money does not add up")
)

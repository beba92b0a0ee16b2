package ledger

// This file holds the reasons for a refusal.

import "errors"

// Reasons why an operation was refused; what comes back wraps one of them and
// names the subject. After a refusal nothing has changed.
var (
	ErrParams    = errors.New("parameters out of range")
	ErrRound     = errors.New("round already paid or too far off")
	ErrUnknown   = errors.New("no such neuron")
	ErrDuplicate = errors.New("named twice")
	ErrRole      = errors.New("wrong role")
	ErrFunds     = errors.New("balance too small")
	ErrFull      = errors.New("no room")
	ErrScore     = errors.New("negative score")
	ErrEncoding  = errors.New("not a ledger state")
)

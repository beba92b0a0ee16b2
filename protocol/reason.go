package protocol

// This file holds the numbered reasons for refusing something.

import (
	"errors"
	"fmt"
)

// Reason numbers why something was refused. Append only, never reordered; the
// text beside a number is for people and may be improved.
type Reason uint16

// Reasons. OK is used where a finding must say that nothing is wrong.
const (
	OK              Reason = 0
	Malformed       Reason = 1  // bytes that do not decode, or out of bounds
	WrongVersion    Reason = 2  // another protocol version
	WrongRun        Reason = 3  // signed for another run
	WrongRound      Reason = 4  // signed for another round
	BadSignature    Reason = 5  // the signature does not verify
	NotMember       Reason = 6  // sender is not on the roster of this round
	WrongRole       Reason = 7  // this role does not send such messages
	WrongPhase      Reason = 8  // too early or too late in the round
	Duplicate       Reason = 9  // already received from this sender
	WrongState      Reason = 10 // names another state root
	Copied          Reason = 11 // names a payload another worker committed
	TooLarge        Reason = 12 // above the declared or permitted size
	WrongList       Reason = 13 // names another closed list
	NotListed       Reason = 14 // own commit is not on the signed list
	Unavailable     Reason = 15 // payload never arrived
	NotRevealed     Reason = 16 // key never revealed
	NotOpened       Reason = 17 // ciphertext does not open under the revealed key
	WrongContent    Reason = 18 // content does not hash to the committed digest
	BadUpdate       Reason = 19 // content is not a valid update for this model
	TooStrong       Reason = 20 // norm above the limit on the record
	NotNovel        Reason = 21 // repeats an earlier update or merged step
	NoImprovement   Reason = 22 // score at or below the threshold
	NoWork          Reason = 23 // running proof of work below the gate
	WrongPreimage   Reason = 24 // beacon preimage does not match its anchor
	WrongSheet      Reason = 25 // sheet is not the committed one
	WrongReceipt    Reason = 26 // receipt contradicts the record
	NotProposer     Reason = 27 // another validator proposes now
	NotInvited      Reason = 28 // the run asks for an invitation
	Full            Reason = 29 // no room for more members or payloads
	NotFound        Reason = 30 // no such payload, entry or run here
	Busy            Reason = 31 // try again later
	NotExpected     Reason = 32 // payload nobody announced
	WrongCredential Reason = 33 // key of the connection is not the sender's
	Internal        Reason = 34 // fault on this side, not the sender's
	NotAttested     Reason = 35 // no quorum of validators vouches for the update
	NotApplied      Reason = 36 // the ledger's rules refuse the transaction
)

var reasonTexts = [...]string{
	OK:              "ok",
	Malformed:       "malformed message",
	WrongVersion:    "another protocol version",
	WrongRun:        "another run",
	WrongRound:      "another round",
	BadSignature:    "signature does not verify",
	NotMember:       "not on the roster of this round",
	WrongRole:       "not a message of this role",
	WrongPhase:      "too early or too late in the round",
	Duplicate:       "already received",
	WrongState:      "another state root",
	Copied:          "payload already committed by another worker",
	TooLarge:        "too large",
	WrongList:       "another closed list",
	NotListed:       "commit is not on the signed list",
	Unavailable:     "payload never arrived",
	NotRevealed:     "key never revealed",
	NotOpened:       "ciphertext does not open",
	WrongContent:    "content is not what was committed",
	BadUpdate:       "not a valid update for this model",
	TooStrong:       "norm above the limit",
	NotNovel:        "repeats earlier work",
	NoImprovement:   "does not improve the loss",
	NoWork:          "no proof of work on the assigned shards",
	WrongPreimage:   "beacon preimage does not match",
	WrongSheet:      "sheet is not the committed one",
	WrongReceipt:    "receipt contradicts the record",
	NotProposer:     "another validator proposes now",
	NotInvited:      "the run asks for an invitation",
	Full:            "no room",
	NotFound:        "not found",
	Busy:            "busy, try again later",
	NotExpected:     "nobody announced this payload",
	WrongCredential: "connection's key is not the sender's",
	Internal:        "internal fault",
	NotAttested:     "no quorum vouches for the update",
	NotApplied:      "the ledger refuses it",
}

// String returns the text for people.
func (r Reason) String() string {
	if int(r) < len(reasonTexts) {
		return reasonTexts[r]
	}
	return fmt.Sprintf("reason %d", uint16(r))
}

// Refusal is an error that crosses the wire: a numbered reason and a detail for
// people.
type Refusal struct {
	Reason Reason
	Detail string
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Detail == "" {
		return fmt.Sprintf("refused (%d): %v", uint16(r.Reason), r.Reason)
	}
	return fmt.Sprintf("refused (%d): %v: %s", uint16(r.Reason), r.Reason, r.Detail)
}

// Refuse returns a [Refusal] with a formatted detail.
func Refuse(r Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: r, Detail: fmt.Sprintf(format, args...)}
}

// ReasonOf returns the reason of the refusal err wraps: [OK] for nil,
// [Internal] for an error that is no refusal.
func ReasonOf(err error) Reason {
	if err == nil {
		return OK
	}
	var r *Refusal
	if errors.As(err, &r) {
		return r.Reason
	}
	return Internal
}

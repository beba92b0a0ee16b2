package protocol

// This file holds what members say: the bodies of messages.

// MaxNodeName is the longest name a member may give itself, in bytes.
const MaxNodeName = 32

// Join asks for membership. It stands in the record once per node; a validator
// whose hash chain ran out joins again with a new anchor.
type Join struct {
	_    struct{} `cbor:",toarray"`
	Role Role
	Name string // for people: letters, digits, space, dot, dash, underscore
	// Anchor is the end of a validator's hash chain: the first preimage it
	// reveals must hash to it. Zero for workers.
	Anchor Digest
	// Invitation is the run's invitation key's signature over the node's id,
	// zero when none is held.
	Invitation Signature
	// Enter are the ledger's transactions that give a newcomer its place: that the
	// node belongs to an account, unless the ledger knows, and the registration.
	Enter [][]byte
}

// MaxCount bounds what a commit says of itself: bytes, values kept, tokens.
const MaxCount = 1 << 40

// Commit binds a worker to one update before anybody can read it.
type Commit struct {
	_         struct{} `cbor:",toarray"`
	StateRoot Digest   // R_r, the state the update was computed from
	Seed      Digest   // of the assignment of shards it was trained on
	Plain     Digest   // of the update's canonical plain form
	Cipher    Digest   // of the ciphertext payload
	Size      uint64   // of the ciphertext, bytes
	Kept      uint64   // values kept by the codec, for the books
	Tokens    uint64   // tokens trained on, for the books
	Loss      NanoNats // mean training loss over the inner steps, for the books
	// Samples is how many the worker has, or Merge.MaxSamples if it has more: what its
	// update weighs. 0 where all weigh alike.
	Samples uint32
}

// ListSignature is a validator's signature under the closed list of commits.
type ListSignature struct {
	_    struct{} `cbor:",toarray"`
	List Digest
}

// Reveal gives the key of a committed ciphertext.
type Reveal struct {
	_   struct{} `cbor:",toarray"`
	Key [32]byte
}

// Attestation is what one validator found when it fetched and opened every
// listed update, and its beacon preimage for this round.
type Attestation struct {
	_        struct{} `cbor:",toarray"`
	List     Digest
	Preimage Digest    // hashes to the validator's anchor or last preimage
	Findings []Finding // one per commit of the closed list, in its order
}

// Finding is what a validator found of one update: [OK] and its exact norm, or
// the reason why it is not a candidate.
type Finding struct {
	_      struct{} `cbor:",toarray"`
	Reason Reason
	// NormHi and NormLo are the exact squared norm of the decoded update, a
	// 128-bit integer in the codec's units; 0 unless OK.
	NormHi, NormLo uint64
}

// SheetCommit binds a validator to its score sheet before any is shown.
type SheetCommit struct {
	_     struct{} `cbor:",toarray"`
	Sheet Digest
}

// SheetReveal shows the committed score sheet.
type SheetReveal struct {
	_     struct{} `cbor:",toarray"`
	Sheet Sheet
}

// Sheet is one validator's opinion of one round's candidates.
type Sheet struct {
	_    struct{} `cbor:",toarray"`
	Salt [16]byte // keeps the committed digest from being guessed
	Seed Digest   // evaluation seed the scores were computed with
	Loss NanoNats // on the shared evaluation batch before the round's merge
	Rows []Row    // one per candidate, in the order of the closed list
}

// Digest names the sheet as [SheetCommit] commits to it.
func (s Sheet) Digest(node NodeID) Digest { return Hash("sheet", node[:], Encode(s)) }

// Row is one candidate's line in a sheet.
type Row struct {
	_ struct{} `cbor:",toarray"`
	// First is the first-order loss improvement of the clipped update on the
	// shared batch, with the last merged steps projected out.
	First NanoNats
	// Audited says that Paired was measured this round.
	Audited bool
	// Paired is four times the exact loss difference on the same tokens before
	// and after a quarter of the clipped update alone.
	Paired NanoNats
	// Examined says that Work was measured this round.
	Examined bool
	// Work is the first-order improvement on the worker's assigned data beyond
	// what others' updates do there (score.Work).
	Work NanoNats
	// Overlap is the largest share of the update's entries that repeat, in
	// position and sign, an earlier update or merged step; Q16.
	Overlap uint32
}

// Receipt is the record of a merged round: what went in, what came out.
type Receipt struct {
	_         struct{} `cbor:",toarray"`
	Version   uint16
	Run       RunID
	Round     Round
	Parent    Digest // receipt of the round before
	StateRoot Digest // R_r
	List      Digest // closed list of commits
	Decision  Digest // what the round machine decided from the sheets
	Step      Digest // canonical plain form of the merged step
	Payload   Digest // the merged step as it travels
	Size      uint64 // of the payload, bytes
	Model     Digest // Merkle root of the parameters after the step
	Outer     Digest // of the outer optimizer's state after the step; zero if it has none
}

// Digest names the receipt.
func (r Receipt) Digest() Digest { return Hash("receipt", Encode(r)) }

// Proposal is the proposer's receipt for the round.
type Proposal struct {
	_       struct{} `cbor:",toarray"`
	Receipt Receipt
}

// CoSign says that a validator recomputed the merge and got the same receipt.
// Its losses are measurements for people; nothing is decided by them.
type CoSign struct {
	_       struct{} `cbor:",toarray"`
	Receipt Digest
	Before  NanoNats // shared evaluation batch, before the merged step
	After   NanoNats // the same tokens after it
	HeldOut NanoNats // held-out text after it
}

// Kind implements [Body].
func (Join) Kind() Kind { return KindJoin }

// Kind implements [Body].
func (Commit) Kind() Kind { return KindCommit }

// Kind implements [Body].
func (ListSignature) Kind() Kind { return KindListSignature }

// Kind implements [Body].
func (Reveal) Kind() Kind { return KindReveal }

// Kind implements [Body].
func (Attestation) Kind() Kind { return KindAttestation }

// Kind implements [Body].
func (SheetCommit) Kind() Kind { return KindSheetCommit }

// Kind implements [Body].
func (SheetReveal) Kind() Kind { return KindSheetReveal }

// Kind implements [Body].
func (Proposal) Kind() Kind { return KindProposal }

// Kind implements [Body].
func (CoSign) Kind() Kind { return KindCoSign }

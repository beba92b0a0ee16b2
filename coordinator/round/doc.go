// Package round is the state machine of a run: membership, the phases of a
// round, what is decided in each, and what is paid. It reads no clock, does no
// I/O and starts no goroutine: [Machine.Step] takes an instant and an event and
// returns effects. The record of (instant, event) pairs rebuilds the machine, so
// that coordinator, validators, workers and auditors all run the same machine
// over the same record and agree without asking each other.
//
// It does not train, score or merge, and never sees an update: it knows
// payloads by digest and opinions by signed sheets.
//
// Read it in this order: [Machine], [Phase], [Round] (the round in flight),
// [Seat] and [Entry] (its validators and commits), [Effect], [Summary] (what a
// finished round leaves), [Machine.Owes] (what a node has to send now, which is
// all a restarted node needs to go on). Money is a ledger of package ledger that the
// machine moves: [Genesis], [Machine.Weights], [Machine.Ledger].
//
// # Phases
//
//	Gathering ─ enough members present ─▶ Training ─ all commits, or deadline ─▶
//	Closing ─ list signed by 2/3 of stake ─▶ Revealing ─ all keys, or deadline ─▶
//	Attesting ─ 2/3 of stake attest ─▶ Scoring ─ sheets committed ─▶
//	Showing ─ sheets shown ─▶ Sealing ─ receipt co-signed by 2/3 of stake ─▶
//	Training of the next round, or Gathering if members are missing
//
// # What closes a phase
//
// A phase ends when everybody who is awaited has done their part and the quorum
// is reached: two thirds of the roster's stake where validators act, two thirds
// of those who did their part or are awaited where workers act. Awaited is who is
// present and still can: no validator scores without having attested, or shows
// what it did not commit. Once the quorum is reached the others get as long again
// as the quorum took, at least Timing.Grace and at most until the phase's
// deadline. Without a quorum of stake a phase waits for ever: nothing is decided
// by fewer. Workers are never waited for beyond a deadline.
//
// Three things keep a run from standing still while two thirds of the stake are
// present. A round that nobody commits to is gathered anew. A proposer that is
// gone, or whose receipt is not final by the deadline, is replaced. And if those
// present could attest but too few of them may score, because others attested or
// committed and went, the round ends past its deadline without accepting anything.
//
// The roster is frozen when a round opens. Who joins later starts next round;
// who leaves still counts in the stake that a quorum is measured against. Where a round
// takes a share of the workers, it draws among those who were there when the round
// before began Attesting: the beacon that draws was not known to them.
//
// # Ownership
//
// A Machine belongs to one goroutine. What its methods return must not be
// written to and is valid until the next Step.
package round

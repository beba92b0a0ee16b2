// Package audit replays a run and recomputes what can be recomputed: who was
// merged, what came out, what was paid, and what lies in the store. It believes
// nobody but the manifest, whose digest is the run's id.
//
// Read it in this order: [Source] is what a run left behind, on disk ([Disk]) or
// at its coordinator ([Live]); [Verify] goes through it; [Report] says how far it
// came, what could not be recomputed and why; [Mismatch] is the first thing that
// is not as it must be.
//
// # What is recomputed
//
//	record       every entry: its place in the hash chain, the coordinator's
//	             signature, its sender's signature, and that the rules of the run
//	             allow it then; with it every decision from score sheets, every
//	             clip factor, rating and payment, since they are integer functions
//	             of the record
//	ledger       after every round: genesis + emitted − burned is what the
//	             accounts hold and what was left unpaid, and is within the cap
//	updates      every accepted one: the payload's digest, its opening with the
//	             key its worker revealed, the digest it was committed under, and
//	             the norm that the validators attested
//	merge        merged again with the recorded clip factors, in any order
//	             ([Options.Shuffle]): merged step, model root, root of the outer
//	             optimizer's integers and state root are the receipt's
//	step         the merged step as it travels decodes to the receipt's
//	checkpoints  every one in the store: manifest, coordinator's signature, every
//	             file's digest, model and state root of its round, the outer
//	             optimizer's integers
//
// Not recomputed are the scores themselves: losses are floating-point
// measurements of validators. Updates that were refused are not opened. A record
// that was cut at its end is a sound, shorter one; only a checkpoint of a later
// round, or somebody who knows a later entry, tells.
//
// # What is missing
//
// A payload that is not there any more proves nothing. Its round is reported as
// not recomputed; the model is then moved on by the merged step, or, where the
// outer optimizer has integers of its own that a step does not tell, taken up
// again from the next checkpoint, once it was compared with the record.
//
// # Units, ownership, concurrency
//
// Rounds count from 0; the state root of round r is that after it, R_{r+1}.
// Memory is that of the model, of one round's updates and of the outcomes of all
// rounds. A Source serves one Verify at a time. Callbacks are called on the
// caller's goroutine.
package audit

// Package replica is a node's own copy of a run: the record replayed into a
// round machine, and the model at the state the record says. Workers, validators
// and auditors all hold one; what they do with it is their own affair.
//
// Read it in this order: [Rules] derives from a manifest what codec, merge and
// model a round uses, and has the parameters that a run begins with ([Rules.Begin]), which
// [Rules.Bring] fetches where they are given; [Follow] replays a record as it arrives; [Model] holds the
// parameters (length D) and the outer optimizer's integers, and moves them from
// one state root to the next, either by applying a merged step ([Model.Apply])
// or by recomputing it from the updates ([Model.Merge]); [Seal] and [Open] turn
// updates into payloads nobody can read early or pass off as their own, and
// back. [Assigned] is the run's corpus, [Private] a worker's own data in private mode.
// A [Pile] keeps updates that were opened out of memory.
//
// A Model that was moved has checked the result against the receipt: it is at
// the recorded state or the call failed and nothing changed. A Model belongs to
// one goroutine.
package replica

// Package validator is the shell of a validator: it follows a run's record,
// fetches and opens the updates of each round, measures what they are worth, and
// recomputes the merge that its signature vouches for. What it has to send it
// asks the round machine; how measurements become verdicts is decided there and
// in lode/validator/score.
//
// Read it in this order: [Config] and [Validator], whose Run follows the record;
// the judge, which owns the engine and the model and answers one duty at a time;
// the updates it opened, which lie on piles; its measurements (scores, audits, proof
// of work, overlap); the hash chain that
// makes evaluation seeds impossible to choose; its files.
//
// What it measures per round, with W candidates and D parameters: one gradient of
// the loss on a shared random batch, a sparse dot product of it with every
// clipped update (protocol.Row.First, after projecting out the last merged
// steps), the exact loss difference of a seeded sample of candidates, one more
// gradient per examined candidate on data it was assigned, and the loss after
// the merge on the same tokens and on held-out text.
//
// Run may be called once. One goroutine owns the record and one the engine; both
// end before Run returns.
package validator

// Package solo trains a run's model on one machine, without a network: with the
// rules of its manifest, on the text that its workers would have. So anybody can
// see what a run costs in learning, and try settings out before there is a run. It
// prints nothing and makes no rules.
//
// Read it in this order. A [Trainer] trains round by round, in one of two ways. In
// the first, the batches that W workers would train on make one large batch of each
// step, as if all gradients were averaged at every step. In the second ([Config].Apart)
// each worker takes H inner steps alone and sends a compressed update; the updates are
// clipped and merged as a run does with honest ones, and [Crew] is what they have in
// common. Both see the same tokens in the same order, so only the way they learn
// differs. What validators add (scores, refusals, pay) is in package sim.
//
// A [Course] takes a trainer to an end, measures on the way and keeps what it has;
// each measurement is a [Point] of the learning curve. A [Folder] is where that lies.
//
// # Units and shapes
//
// A round is H steps. Losses are nats a target, sizes bytes, D parameters, W workers.
//
// # Same seed, same bits
//
// On one machine the same rules, text, number of workers and way give the same
// parameters and losses, on any number of threads, and also if the training was
// stopped and taken up from its [Folder]. Processors differ in the last digits.
//
// # Ownership and concurrency
//
// A Trainer owns the engines it opened and is used by one goroutine at a time.
package solo

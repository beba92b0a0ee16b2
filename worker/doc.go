// Package worker is the shell of a worker: it follows a run's record, trains on
// its shard, or on data of its own, when a round opens, and sends the compressed
// update. What it has to send it asks the round machine; how updates are made and
// undone is arithmetic of other packages. It holds no policy of its own and does not
// know how bytes travel.
//
// Read it in this order: [Config] and [Worker], whose Run follows the record and
// answers for what is owed; the trainer, which owns the engine and works on one
// round at a time; [Own] and [Trained], what it does besides where its data is its own;
// its files, which let a killed worker go on in the same round;
// [Conduct], by which test runs get workers that cheat.
//
// Per round r, with D parameters: the trainer starts from θ_r, takes H inner
// steps, and encodes a = β·e + (θ_r − θ_w), where e is what earlier updates left
// out. What becomes of e depends on the verdict: accepted e = a − c·decoded,
// refused by score e = a − decoded, otherwise e = a.
//
// θ_r and e, which becomes a, are vectors of the engine and stay where it works: merged
// steps are applied there as well as here.
//
// Before a commit leaves, the plain update is on disk, and in some rounds, which bound how
// much is lost, a and the optimizer's state as well. Rounds after the last of these
// are trained again by a worker that was killed; since engines compute the same again,
// a is the same, and what was sent is taken out of it in any case. The key of the payload
// follows from the worker's own key and the plain update, so it needs no file.
//
// An engine that is lost is opened again, and what a killed worker would do is done.
//
// Run may be called once. One goroutine owns the record and one the engine;
// both end before Run returns.
package worker

// Package coordinator is the shell that keeps a run's record: it puts what
// members send into one order, makes it durable, tells everybody, keeps
// payloads, and publishes checkpoints. It decides nothing: what may happen is the
// round machine's to say, what is merged the validators'. Anybody who follows the
// record can see whether it did more than order.
//
// Read it in this order: [Config] and [Coordinator]; the clerk, the one goroutine
// that owns machine and record; followers; payloads and their allowances; the
// publisher; the archive of the run's ledger, and the coordinator as its [Engine]; the
// status for people.
//
// An event is first taken by the machine, then durable, then told: a submitter
// hears no yes, and a follower no entry, before the entry is on disk. A crash at
// any point therefore loses nothing that anybody was told.
//
// All methods of a Coordinator may be called at the same time once Run runs.
package coordinator

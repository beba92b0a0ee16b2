// Package lode is the root of a program that trains open models on the machines of
// anyone who joins. It holds no code, only this map of the house and the tests that
// keep the house in order. The program itself is lode/cmd/lode.
//
// Imports run down only: a package imports packages of lower floors, and on its
// own floor none but those of its own folder.
//
//	floor 7  cmd/…   benchmarks/…                    wiring; whole-system runs
//	floor 6  sim   sim/federated   sim/solo          many nodes in one process
//	floor 5  coordinator   worker   validator        shells: do what machines decide
//	         replica                                 a node's own copy of a run
//	floor 4  coordinator/round                       pure machine
//	floor 3  validator/score                         pure machines
//	         yuma/ledger/tree ← yuma/ledger ← yuma/ledger/ask
//	floor 2  gradient ← aggregation   privacy        pure arithmetic
//	         yuma ← yuma/economy, yuma/study ← yuma/casefile
//	         gradient ← engine/…                     edges
//	         checkpoints/…  transport  coordinator/journal  python
//	         data/chance ← data, data/split ← data/examples
//	         data/tokenizer, data/documents ← data/shards
//	floor 1  protocol   tensor                       words and numbers of everyone
//
// Floor 1. protocol holds identities, digests, messages, the record and their one
// encoding. tensor names the parameters of a model and cuts them into chunks.
//
// Floor 2. gradient turns a worker's change of the model into an update small
// enough to send; its gradient/column packs one column of numbers of it, its
// gradient/kernel runs over every parameter.
// aggregation merges accepted updates into one step, in integers. privacy clips,
// adds noise and masks. yuma turns the weights that validators set into pay;
// yuma/economy has the rules around that, from emission to the price of a place,
// yuma/study other published rules to compare with, yuma/casefile epochs as JSON.
// engine trains and measures models, with one folder below it for each part of
// that; it stands half a floor above gradient, as aggregation does, since a device
// compresses updates where its parameters live. python holds the Python
// files that an engine is started from. checkpoints keeps models in stores and gets them back verified, with the
// file format below it. transport carries messages and payloads over QUIC. data
// cuts corpora into pieces and says who trains on which; data/examples
// reads labelled pictures and tables, data/split deals such to clients that keep their
// own; data/chance draws the numbers for all that, the same for everybody. coordinator/journal keeps the records of
// runs on disk. data/tokenizer turns text into tokens,
// data/documents reads it out of files of many formats, data/shards
// keeps it as tokens on disk.
//
// Floor 3. validator/score decides from measurements which updates are accepted.
// yuma/ledger is the economy of runs, moved by signed transactions in blocks;
// yuma/ledger/tree its state, with a root and proofs; yuma/ledger/ask what who does
// not hold it may ask, and check.
//
// Floor 4. coordinator/round decides what happens when in a round. Half a floor
// above it, replica holds a node's copy of record and model and moves both from
// round to round.
//
// Floor 5. coordinator, worker and validator are the three roles: they carry out
// what the machines below decide. They import neither each other nor transport;
// each declares the interfaces it needs.
//
// Floor 6. sim runs a whole run in one process: the real shells, with function
// calls for a network. sim/federated does classic federated learning: clients with
// data of their own, a server that merges. sim/solo trains as a run does, without
// scores, pay and network.
//
// Floor 7. cmd holds the programs, benchmarks the whole-system measurements.
//
// Packages without clock, network, disk, locks, chance and goroutines of their
// own are called pure: protocol, tensor, gradient, aggregation, privacy, yuma
// and what stands below it, validator/score and coordinator/round. They import no others of
// this module. tensor, gradient and aggregation may spread a kernel over cores.
//
// A folder whose name ends in test holds a kit for testing what stands beside
// it, and only tests import it. Modules of their own below tools serve tests and
// reports alone.
package lode

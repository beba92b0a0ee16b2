// Package federated simulates classic federated learning in one process: a server,
// clients that each keep their own examples, rounds in which some of them train the
// server's model and the server merges what they found. There is no network, no
// validator and no money; merging is the one of real runs (package aggregation), in
// integers, and training any engine's.
//
// Read it in this order. [Method] is how the server merges and what clients add to
// their loss; [Options] are all that a run depends on; [Run] plays it and tells of
// each [Round]; [Quality] is how a model does.
//
// # A round
//
// Of K clients that have examples, max(⌈C·K⌉, 1) are drawn. Each takes the server's
// parameters θ, and for E epochs steps of plain gradient descent on batches of B of its
// examples, in an order drawn anew each time:
//
//	w ← w − η·(∇f(w) + µ·(w − θ))
//
// with µ = 0 but for FedProx (Li et al., arXiv:1812.06127, algorithm 2 with a fixed
// number of epochs). The server gets θ − w in float32 and merges by the mean weighed by
// numbers of examples (FedAvg, McMahan et al., arXiv:1602.05629, algorithm 1), or by
// another rule of package aggregation without weights, and lets an outer optimizer
// make the step of that (Reddi et al., arXiv:2003.00295, algorithm 2).
//
// Everything drawn follows from the seed, and results do not depend on the number of
// engines that work at the same time. They do depend on the instruction set, as all
// training does.
//
// # Quality
//
// Every so many rounds the model is measured on examples that no client has, and on those
// that each client keeps back from its own: the mean over clients, the mean of the
// worst tenth of them, and the deviation between them. A client with few examples
// keeps few back, so that its accuracy has few possible values; clients that keep
// none are left out.
//
// Options and what they point to must not change during Run; runs with options of
// their own may go on at the same time. Memory is one engine for each of those that
// work together, and one update for each client of a round.
package federated

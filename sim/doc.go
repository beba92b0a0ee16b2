// Package sim runs a whole run in one process: the real coordinator, validators
// and workers, with links that are function calls instead of connections. It is
// for tests and for measuring what training rules do; nothing in it is pretended
// but the network.
//
// [Run] starts everybody and returns what the record says when the asked-for
// number of rounds is final. Conducts that cheat can be cast among the workers.
package sim

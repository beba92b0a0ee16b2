// Package ordertest says what every engine of a ledger must do, as a test that each
// implementation runs: what was proposed is in a block and in its order, what was
// refused is in none, blocks follow each other and never change, a snapshot and the
// blocks after it lead to the state that all blocks lead to, and all of that holds after
// a restart too.
//
// It is for tests only and holds no engine of its own. [Run] is the only entry; a
// [Place] is where an engine lives. It keeps nothing it is given.
package ordertest

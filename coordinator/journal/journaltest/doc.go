// Package journaltest says what every journal of a record must do, as a test that
// each implementation runs: entries are added at the end and never change, a batch
// is there as a whole or not at all, for readers and after a crash, reads stay
// within their bounds, and what was appended is there when the journal is opened
// again.
//
// It is for tests only and holds no journal of its own. [Run] is the only entry; a
// [Place] is where a journal lies, a [Crasher] one where processes can be made to
// die. It keeps nothing it is given.
package journaltest

// Package journal keeps the records of runs on disk: encoded entries by index, in
// one bbolt file that holds any number of runs. An entry that Append returned for
// survives a crash; a crash during Append leaves all of its entries or none.
//
// [File] is the file, [Journal] the record of one run in it. One process at a time
// may have the file open.
//
// A Journal may be used by many goroutines; Append by one at a time. Those of
// different runs know nothing of each other. Append keeps nothing of what it is
// given, and what Read returns is the caller's. Package journaltest says what every
// journal must do.
package journal

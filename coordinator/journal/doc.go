// Package journal keeps a run's record on disk: encoded entries by index, in one
// bbolt file that can hold several runs. An entry that Append returned for
// survives a crash; a crash during Append leaves all of its entries or none.
//
// A Journal may be used by many goroutines; Append by one at a time.
package journal

// Package storetest says what every checkpoints.Store must do, as a test that each
// implementation runs. It is for tests only and holds no store of its own.
//
// [Run] is the only entry. It needs an empty store; object sizes are in bytes. It
// keeps nothing it is given, and leaves the objects it wrote.
package storetest

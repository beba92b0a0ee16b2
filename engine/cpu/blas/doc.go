// Package blas finds a BLAS that is installed on the system and multiplies float32
// matrices with it. It links nothing: libraries are opened while the program runs.
//
// [Open] opens one by name, [Choose] measures those that are there against package
// kernel and takes the fastest only if it beats that. [Library.Mul] multiplies as
// kernel.Mul does, but for rounding, on the calling thread alone.
//
// Where libraries cannot be opened (other systems than Linux and macOS on amd64 and
// arm64) there is none. Opening them takes the loader of the C library, so that a Linux
// program with this package is dynamically linked; build it with -tags static to have it
// stand alone, without any BLAS.
//
// It does not decide how products are cut or shared; package cpu does. A Library may
// be used by several goroutines at the same time.
package blas

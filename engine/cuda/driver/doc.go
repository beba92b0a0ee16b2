// Package driver speaks to NVIDIA's driver and libraries without linking them: it opens
// libcuda, cuBLASLt, NVRTC and NCCL while the program runs.
//
// It trains nothing and holds no kernels; package [lode/engine/cuda] does. Read it in
// this order: [Find] opens the libraries and lists the cards, [Open] takes one, and
// [Device.Do] runs a function on the one operating-system thread that owns it. Within
// that function, and nowhere else, all other methods may be called: memory is a
// [Pointer] on the device or a [Host] that the device can copy from, a [Module] holds
// [Kernel]s, [Stream.Multiply] is a product of matrices, work is put into a [Stream]
// and runs there in order, an [Event] says when, a [Graph] is work that was recorded.
// Of several devices [Stream.CopyFrom] copies from one to another, and a [Ring] adds up.
//
// Units: sizes are bytes unless a name says values. Whatever is put into a stream reads
// and writes memory later; a [Host] may be touched again once an event behind it, or the
// stream, was waited for.
//
// Errors are an [Error], which says what to do; ask with errors.Is for [ErrAbsent],
// [ErrTooOld], [ErrMemory], [ErrRefused] and engine.ErrLost. A device that is lost
// stays so until [Device.Reopen], which may fail as well: some faults end with the
// process alone.
package driver

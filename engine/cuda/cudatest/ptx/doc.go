// Package ptx executes PTX, NVIDIA's portable assembly, on the processor. It is for tests: it
// runs the very text that a driver would compile, tensor cores, asynchronous copies and
// shuffles included, and reports what a card would not.
//
// [Parse] reads a module; [Kernel.Run] runs a grid, block after block. The 32 threads of a
// warp have a program counter each and go together where theirs agree; .sync instructions
// wait for all they name. Instructions do what NVIDIA's "PTX ISA" says of them; the
// sections are named where the meaning is not plain. The approximate functions are the
// exact ones rounded, so a card's may differ from them in the last bits.
//
// A launch ends with a [Fault] at the first of these:
//
//   - an address that is not in the memory given, or is no multiple of what is read or written;
//   - a race: two threads touch a byte, one of them writes, and neither a barrier of the
//     block nor one of the warp lies between (shuffles and votes order no memory);
//   - a barrier or a .sync instruction that some threads of the block or warp do not reach;
//   - an instruction that this package does not know.
//
// Registers and shared memory begin as NaN, and so does what a copy to shared memory will
// bring until its thread has waited for it.
//
// With Stats it counts what speed depends on: instructions, products of tensor cores, bytes
// and sectors of global memory, and conflicts of shared memory's banks.
package ptx
